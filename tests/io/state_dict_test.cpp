// SPDX-License-Identifier: Apache-2.0
// Pickles written by hand: what is read, and what is refused.
#include "src/io/state_dict.h"

#include "src/core/error.h"
#include "tests/support/catch.h"

using namespace switchyard;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Opcodes of protocol 2.
const std::string kProto("\x80\2", 2), kStop = ".", kMark = "(", kTuple = "t", kCall = "R",
                                       kEmptyTuple = ")",
                                       kEmptyDict = "}", kSetItems = "u", kFalse = "\x89";

std::string text(const std::string& value) {
  return std::string{'X', static_cast<char>(value.size()), 0, 0, 0} + value;
}

std::string number(std::int32_t value) {
  std::string code = "J";
  for (int i = 0; i < 4; ++i)
    code += static_cast<char>(static_cast<std::uint32_t>(value) >> (8 * i) & 0xff);
  return code;
}

std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

std::string tuple(const std::string& items) { return kMark + items + kTuple; }

std::string numbers(const std::vector<std::int32_t>& values) {
  std::string items;
  for (const std::int32_t value : values) items += number(value);
  return tuple(items);
}

std::string storage(std::int32_t elements, const std::string& type = "FloatStorage") {
  return tuple(text("storage") + global("torch", type) + text("0") + text("cpu") +
               number(elements)) +
         "Q";
}

const std::string kOrderedDict = global("collections", "OrderedDict") + kEmptyTuple + kCall;

// The call that makes a tensor.
std::string tensor(const std::string& storage, const std::string& offset, const std::string& shape,
                   const std::string& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(storage + offset + shape + strides + kFalse + kOrderedDict) + kCall;
}

const std::string kTensor = tensor(storage(6), number(0), numbers({2, 3}), numbers({3, 1}));

// A state dict of one entry, w.
std::string with(const std::string& value) {
  return kProto + kEmptyDict + kMark + text("w") + value + kSetItems + kStop;
}

std::string error_of(const std::string& pickle) {
  try {
    read_state_dict(pickle);
    return "";
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kData);
    return e.what();
  }
}

}  // namespace

TEST_CASE("state dict: a tensor and its part of the storage") {
  const auto read =
      read_state_dict(with(tensor(storage(9), number(2), numbers({3, 2}), numbers({1, 3}))));
  REQUIRE(read.size() == 1);
  CHECK(read[0].name == "w");
  CHECK(read[0].dtype == "F32");
  CHECK(read[0].element_bytes == 4);
  CHECK(read[0].shape == std::vector<std::int64_t>{3, 2});
  CHECK(read[0].strides == std::vector<std::int64_t>{1, 3});
  CHECK(read[0].storage == "0");
  CHECK(read[0].storage_elements == 9);
  CHECK(read[0].first == 2);
  CHECK(!read[0].contiguous());
  CHECK(read_state_dict(with(kTensor))[0].contiguous());
}

TEST_CASE("state dict: integers of every width") {
  const auto shape_of = [](const std::string& code) {
    return read_state_dict(
               with(tensor(storage(0), number(0), tuple(code + number(0)), numbers({1, 1}))))[0]
        .shape[0];
  };
  CHECK(shape_of("K\xff") == 255);
  CHECK(shape_of("M\xff\xff") == 65535);
  CHECK(shape_of(std::string("\x8a\0", 2)) == 0);
  CHECK(shape_of(std::string("\x8a\5\0\0\0\0\x01", 7)) == std::int64_t{1} << 32);
  CHECK(contains(error_of(with(tensor(storage(0), "\x8a\1\xff", numbers({}), numbers({})))),
                 "storage offset: -1"));
  CHECK(contains(error_of(with("\x8a\x09" + std::string(9, '\1'))), "an integer of 9 bytes"));
}

TEST_CASE("state dict: shared values, parameters and attributes") {
  // Memo 0 is a tensor, used twice.
  const std::string twice = kProto + kOrderedDict + kMark + text("a") + kTensor + "q" +
                            std::string(1, '\0') + text("b") + "h" + std::string(1, '\0') +
                            kSetItems + kEmptyDict + text("_metadata") + kOrderedDict + "sb" +
                            kStop;
  CHECK(read_state_dict(twice).size() == 2);
  const std::string parameter =
      global("torch._utils", "_rebuild_parameter") + tuple(kTensor + kFalse + kOrderedDict) + kCall;
  CHECK(read_state_dict(with(parameter))[0].shape == std::vector<std::int64_t>{2, 3});
}

TEST_CASE("state dict: nothing but a dict of tensors is accepted") {
  const std::pair<std::string, std::string> cases[] = {
      {with(global("builtins", "len")), "refers to builtins.len"},
      {with(global("torch", "device")), "refers to torch.device"},
      {with(global("os\x1b", "x")), "os\\x1B.x"},
      {with(kEmptyDict), "tensor w: a dict, expected a tensor; the file must hold"},
      {with("N"), "tensor w: None, expected a tensor"},
      {with("K\1"), "tensor w: an integer, expected a tensor"},
      {with(global("torch", "FloatStorage") + kEmptyTuple + kCall), "an object, expected a tensor"},
      {with(storage(1)), "a storage, expected a tensor"},
      {kProto + "N.", "None, expected a dict of tensors"},
      {kProto + "]N" + "a.", "a list, expected a dict of tensors"},
      {kProto + kEmptyDict + "N" + kTensor + "s.", "a key is None"},
      {kProto + kEmptyDict + kMark + text("w") + kTensor + text("w") + kTensor + "u.", "w twice"},
      {with(tensor("N", number(0), numbers({}), numbers({}))), "its storage is not described"},
      {with(tensor("NQ", number(0), numbers({}), numbers({}))), "its storage is not described"},
      {with(tensor(tuple("") + "Q", number(0), numbers({}), numbers({}))), "is not described"},
      {with(tensor(storage(-1), number(0), numbers({}), numbers({}))), "a storage of -1"},
      {with(tensor(storage(1), "N", numbers({}), numbers({}))), "storage offset: None"},
      {with(tensor(storage(1), number(0), "N", numbers({}))), "shape: None, expected a tuple"},
      {with(tensor(storage(1), number(0), tuple("N"), numbers({1}))), "shape: None"},
      {with(tensor(storage(1), number(0), numbers({-1}), numbers({1}))), "shape: -1"},
      {with(tensor(storage(1), number(0), numbers({1}), numbers({-1}))), "strides: -1"},
      {with(tensor(storage(1), number(0), numbers({1}), numbers({}))), "0 strides, expected 1"},
      {with(tensor(storage(1), number(0), numbers(std::vector<std::int32_t>(9, 1)),
                   numbers(std::vector<std::int32_t>(9, 1)))),
       "9 dimensions"},
      {with(global("torch._utils", "_rebuild_tensor_v2") + kEmptyTuple + kCall), "0 arguments"}};
  for (const auto& [pickle, words] : cases) {
    const std::string error = error_of(pickle);
    CAPTURE(words, error);
    CHECK(contains(error, words));
  }
}

TEST_CASE("state dict: every element is inside the storage") {
  const auto error = [](std::int32_t elements, std::int32_t offset,
                        const std::vector<std::int32_t>& shape,
                        const std::vector<std::int32_t>& strides) {
    return error_of(
        with(tensor(storage(elements), number(offset), numbers(shape), numbers(strides))));
  };
  CHECK(error(6, 0, {2, 3}, {3, 1}).empty());
  CHECK(contains(error(5, 0, {2, 3}, {3, 1}), "but its storage has 5 elements"));
  CHECK(contains(error(6, 1, {2, 3}, {3, 1}), "but its storage has 6 elements"));
  CHECK(contains(error(0, 0, {}, {}), "but its storage has 0 elements"));
  CHECK(error(0, 0, {0, 3}, {3, 1}).empty());
  CHECK(error(1, 0, {2, 3}, {0, 0}).empty());
  const std::int32_t most = 0x7fffffff;
  CHECK(contains(error(6, 0, {most, most}, {most, most}), "storage has 6"));
  CHECK(contains(error(6, 0, {most, most, most}, {0, 0, 0}), "beyond 64 bits"));
}

TEST_CASE("state dict: a damaged pickle is refused") {
  const std::string whole = with(kTensor);
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(error_of(whole.substr(0, n)) != "");
  const std::pair<std::string, std::string> cases[] = {
      {"\x80\4.", "pickle protocol 4, expected 2"},
      {"(lp0\n.", "not a pickle of protocol 2"},
      {whole + "x", "1 bytes after the end"},
      {kProto + "NN.", "1 values left"},
      {kProto + ".", "the stack, which is empty"},
      {kProto + "(.", "found a mark"},
      {kProto + "t", "no mark"},
      {kProto + "N\x87.", "3 values expected"},
      {kProto + "N(\x86.", "found a mark"},
      {kProto + "N(NNu.", "expected a dict to add to"},
      {kProto + "}(Nu.", "a key without a value"},
      {kProto + "}N" + "a.", "expected a list to add to"},
      {kProto + "h\5.", "memo 5, expected one of 0"},
      {kProto + "Nq\5.", "memo 5, expected at most 0"},
      {kProto + "N)R.", "a call of None with a tuple"},
      {kProto + "NNb.", "attributes of None"},
      {kProto + global("collections", "OrderedDict") + "N\x85R.", "with arguments"},
      {kProto + "i.", "opcode 105"},
      {kProto + "X\xff\xff\xff\xff.", "4294967295 bytes expected, but only 1 follow"},
      {kProto + std::string((std::size_t{1} << 21) + 1, 'N'), "more than 2097152 values"}};
  for (const auto& [pickle, words] : cases) {
    const std::string error = error_of(pickle);
    CAPTURE(words, error);
    CHECK(contains(error, words));
  }
}
