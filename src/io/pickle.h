// SPDX-License-Identifier: Apache-2.0
// Reads a subset of Python's pickle format, protocol 2: what torch.save writes for a state dict.
// Nothing is executed. A pickle is a program for a stack machine that may name and call any Python
// function; here only listed names are accepted, and a call is recorded instead of made.
// Format: CPython, Lib/pickletools.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace switchyard {

struct PickleValue {
  enum class Kind {
    kNone,
    kBool,
    kInt,
    kFloat,       // its value is not kept
    kString,      // text()
    kGlobal,      // text(): MODULE.NAME
    kTuple,       // items()
    kList,        // items()
    kDict,        // items(): key, value, key, value...; also an OrderedDict
    kCall,        // items(): the global, then the tuple of its arguments
    kPersistent,  // items(): one value that stands for an object outside the pickle
    kMark,        // never part of a result
  };
  Kind kind = Kind::kNone;
  std::int64_t number = 0;  // of kBool and kInt; otherwise an index for Pickle's own use
};

// "a dict", for messages.
std::string_view kind_text(PickleValue::Kind kind);

// Values may contain each other, even in a cycle, so follow them to a fixed depth only.
class Pickle {
 public:
  // Reads `bytes`, which must outlive the object. `globals` lists the names that may occur, as
  // MODULE.NAME. Error(kData) naming the byte if the pickle is damaged, uses anything else, or has
  // more than 2^21 values; memory is bounded by a multiple of that. Bytes after its end are an
  // error.
  Pickle(std::string_view bytes, std::span<const std::string_view> globals);

  const PickleValue& result() const { return result_; }
  std::string_view text(const PickleValue& value) const;
  std::span<const PickleValue> items(const PickleValue& value) const;

 private:
  friend class PickleReader;

  std::vector<std::string_view> texts_;  // in the pickle or in `globals`
  std::vector<std::vector<PickleValue>> items_;
  PickleValue result_;
};

}  // namespace switchyard
