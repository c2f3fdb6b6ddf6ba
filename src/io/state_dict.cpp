// SPDX-License-Identifier: Apache-2.0
#include "src/io/state_dict.h"

#include <algorithm>
#include <set>

#include "src/core/error.h"
#include "src/core/file.h"
#include "src/io/pickle.h"
#include "src/io/tensor_source.h"

namespace switchyard {

namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t kMaxRank = 8;

struct StorageType {
  std::string_view global;
  std::string_view dtype;
  std::size_t bytes;
};
constexpr StorageType kStorageTypes[] = {
    {"torch.FloatStorage", "F32", 4}, {"torch.BFloat16Storage", "BF16", 2},
    {"torch.HalfStorage", "F16", 2},  {"torch.DoubleStorage", "F64", 8},
    {"torch.LongStorage", "I64", 8},  {"torch.IntStorage", "I32", 4},
    {"torch.ShortStorage", "I16", 2}, {"torch.CharStorage", "I8", 1},
    {"torch.ByteStorage", "U8", 1},   {"torch.BoolStorage", "BOOL", 1}};

constexpr std::string_view kTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kParameter = "torch._utils._rebuild_parameter";

std::vector<std::string_view> known_globals() {
  std::vector<std::string_view> names = {"collections.OrderedDict", kTensor, kParameter};
  for (const StorageType& type : kStorageTypes) names.push_back(type.global);
  return names;
}

// Reads the entries of one pickle. An error is about the tensor being read; the caller names it.
class StateDictReader {
 public:
  explicit StateDictReader(const Pickle& pickle) : pickle_(pickle) {}

  PickledTensor tensor(PickleValue value) const {
    // A parameter is a tensor and two settings for training.
    if (is_call(value, kParameter)) value = arguments(value, 3, 3)[0];
    check(is_call(value, kTensor), ErrorKind::kData, kind_text(value.kind), ", expected a tensor",
          value.kind == Kind::kDict ? "; the file must hold the state dict itself" : "");
    // Storage, offset, shape, strides, requires_grad, backward hooks, metadata.
    const auto given = arguments(value, 6, 7);
    PickledTensor tensor;
    read_storage(given[0], tensor);
    check(given[1].kind == Kind::kInt && given[1].number >= 0, ErrorKind::kData,
          "storage offset: ", shown(given[1]), ", expected a number that is not negative");
    tensor.first = static_cast<std::size_t>(given[1].number);
    tensor.shape = sizes(given[2], "shape");
    tensor.strides = sizes(given[3], "strides");
    check(tensor.shape.size() == tensor.strides.size(), ErrorKind::kData, tensor.strides.size(),
          " strides, expected ", tensor.shape.size(), " from the shape");
    check_extent(tensor);
    return tensor;
  }

 private:
  bool is_call(const PickleValue& value, std::string_view function) const {
    return value.kind == Kind::kCall && pickle_.text(pickle_.items(value)[0]) == function;
  }

  std::span<const PickleValue> arguments(const PickleValue& call, std::size_t at_least,
                                         std::size_t at_most) const {
    const auto given = pickle_.items(pickle_.items(call)[1]);
    check(given.size() >= at_least && given.size() <= at_most, ErrorKind::kData, given.size(),
          " arguments of ", pickle_.text(pickle_.items(call)[0]), ", expected ", at_least);
    return given;
  }

  static std::string shown(const PickleValue& value) {
    return value.kind == Kind::kInt ? std::to_string(value.number)
                                    : std::string(kind_text(value.kind));
  }

  // ('storage', class, key, device, number of elements)
  void read_storage(const PickleValue& value, PickledTensor& tensor) const {
    constexpr Kind kExpected[] = {Kind::kString, Kind::kGlobal, Kind::kString, Kind::kString,
                                  Kind::kInt};
    std::span<const PickleValue> id;
    if (value.kind == Kind::kPersistent && pickle_.items(value)[0].kind == Kind::kTuple)
      id = pickle_.items(pickle_.items(value)[0]);
    const bool right =
        std::equal(id.begin(), id.end(), std::begin(kExpected), std::end(kExpected),
                   [](const PickleValue& found, Kind kind) { return found.kind == kind; });
    check(right && pickle_.text(id[0]) == "storage", ErrorKind::kData,
          "its storage is not described as torch.save does");
    const std::string_view global = pickle_.text(id[1]);
    const auto type =
        std::find_if(std::begin(kStorageTypes), std::end(kStorageTypes),
                     [&](const StorageType& candidate) { return candidate.global == global; });
    check(type != std::end(kStorageTypes), ErrorKind::kData, "storage of class ", global);
    tensor.dtype = type->dtype;
    tensor.element_bytes = type->bytes;
    tensor.storage = pickle_.text(id[2]);
    check(id[4].number >= 0, ErrorKind::kData, "a storage of ", id[4].number, " elements");
    tensor.storage_elements = static_cast<std::size_t>(id[4].number);
    checked_mul(tensor.storage_elements, tensor.element_bytes, "storage");
  }

  std::vector<std::int64_t> sizes(const PickleValue& value, std::string_view what) const {
    check(value.kind == Kind::kTuple, ErrorKind::kData, what, ": ", kind_text(value.kind),
          ", expected a tuple");
    const auto items = pickle_.items(value);
    check(items.size() <= kMaxRank, ErrorKind::kData, what, ": ", items.size(),
          " dimensions, expected at most ", kMaxRank);
    std::vector<std::int64_t> result;
    for (const PickleValue& item : items) {
      check(item.kind == Kind::kInt && item.number >= 0, ErrorKind::kData, what, ": ", shown(item),
            ", expected numbers that are not negative");
      result.push_back(item.number);
    }
    return result;
  }

  static void check_extent(const PickledTensor& tensor) {
    std::size_t bytes = tensor.element_bytes;
    for (const std::int64_t extent : tensor.shape)
      bytes = checked_mul(bytes, static_cast<std::size_t>(extent), "shape");
    if (bytes == 0) return;
    std::size_t last = tensor.first;
    bool fits = true;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      const std::size_t steps = checked_mul(static_cast<std::size_t>(tensor.shape[i] - 1),
                                            static_cast<std::size_t>(tensor.strides[i]), "strides");
      fits = fits && !__builtin_add_overflow(last, steps, &last);
    }
    check(fits && last < tensor.storage_elements, ErrorKind::kData, "shape ",
          shape_text(tensor.shape), " with strides ", shape_text(tensor.strides), " from element ",
          tensor.first, ", but its storage has ", tensor.storage_elements, " elements");
  }

  const Pickle& pickle_;
};

}  // namespace

bool PickledTensor::contiguous() const {
  std::int64_t expected = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

std::vector<PickledTensor> read_state_dict(std::string_view bytes) {
  const std::vector<std::string_view> globals = known_globals();
  const Pickle pickle(bytes, globals);
  const PickleValue& top = pickle.result();
  check(top.kind == Kind::kDict, ErrorKind::kData, kind_text(top.kind),
        ", expected a dict of tensors");
  const StateDictReader reader(pickle);
  std::vector<PickledTensor> tensors;
  std::set<std::string_view> names;
  const auto items = pickle.items(top);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    check(items[i].kind == Kind::kString, ErrorKind::kData, "a key is ", kind_text(items[i].kind),
          ", expected the name of a tensor");
    const std::string_view name = pickle.text(items[i]);
    const std::string where = "tensor " + escaped(name);
    check(names.insert(name).second, ErrorKind::kData, where, " twice");
    with_context(where, [&] { tensors.push_back(reader.tensor(items[i + 1])); });
    tensors.back().name = name;
  }
  return tensors;
}

}  // namespace switchyard
