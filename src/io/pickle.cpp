// SPDX-License-Identifier: Apache-2.0
#include "src/io/pickle.h"

#include <algorithm>
#include <cassert>
#include <string>

#include "src/core/error.h"

namespace switchyard {

namespace {

using Kind = PickleValue::Kind;

// A tensor takes about 30, so this is enough for more than 60,000 tensors in one file.
constexpr std::size_t kMaxValues = std::size_t{1} << 21;

constexpr std::string_view kOrderedDict = "collections.OrderedDict";

}  // namespace

std::string_view kind_text(Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "a bool";
    case Kind::kInt:
      return "an integer";
    case Kind::kFloat:
      return "a float";
    case Kind::kString:
      return "a string";
    case Kind::kGlobal:
      return "a class or function";
    case Kind::kTuple:
      return "a tuple";
    case Kind::kList:
      return "a list";
    case Kind::kDict:
      return "a dict";
    case Kind::kCall:
      return "an object";
    case Kind::kPersistent:
      return "a storage";
    case Kind::kMark:
      break;
  }
  return "a mark";
}

// The stack machine. Each opcode checks the number and kinds of values that it takes.
class PickleReader {
 public:
  PickleReader(std::string_view bytes, std::span<const std::string_view> globals, Pickle& pickle)
      : bytes_(bytes), globals_(globals), pickle_(pickle) {}

  void read() {
    check(byte() == 0x80, ErrorKind::kData, "byte 0: not a pickle of protocol 2");
    const unsigned protocol = byte();
    check(protocol == 2, ErrorKind::kData, "pickle protocol ", protocol,
          ", expected 2, the default of torch.save");
    while (step()) {
    }
    check(at_ == bytes_.size(), ErrorKind::kData, bytes_.size() - at_,
          " bytes after the end of the pickle");
    pickle_.result_ = pop();
    check(stack_.empty(), ErrorKind::kData, stack_.size(), " values left on the stack, expected 0");
  }

 private:
  // Executes one opcode; returns false after the last.
  bool step() {
    opcode_at_ = at_;
    const unsigned opcode = byte();
    switch (opcode) {
      case 'N':
        push({Kind::kNone});
        break;
      case 0x88:
        push({Kind::kBool, 1});
        break;
      case 0x89:
        push({Kind::kBool, 0});
        break;
      case 'K':
        push({Kind::kInt, integer(1)});
        break;
      case 'M':
        push({Kind::kInt, integer(2)});
        break;
      case 'J':
        push({Kind::kInt, static_cast<std::int32_t>(integer(4))});
        break;
      case 0x8a:
        push({Kind::kInt, long_integer()});
        break;
      case 'G':
        take(8);
        push({Kind::kFloat});
        break;
      case 'X':
        push_text(Kind::kString, take(static_cast<std::size_t>(integer(4))));
        break;
      case 'c':
        push_global();
        break;
      case '(':
        push({Kind::kMark});
        break;
      case ')':
        push_items(Kind::kTuple, 0);
        break;
      case ']':
        push_items(Kind::kList, 0);
        break;
      case '}':
        push_items(Kind::kDict, 0);
        break;
      case 't': {
        const std::size_t n = above_mark();
        push_items(Kind::kTuple, n, 1);
        break;
      }
      case 0x85:
      case 0x86:
      case 0x87:
        push_items(Kind::kTuple, opcode - 0x84);
        break;
      case 'a':
        add(Kind::kList, 1);
        break;
      case 'e':
        add(Kind::kList, above_mark(), 1);
        break;
      case 's':
        add(Kind::kDict, 2);
        break;
      case 'u':
        add(Kind::kDict, above_mark(), 1);
        break;
      case 'Q':
        push_items(Kind::kPersistent, 1);
        break;
      case 'R':
        call();
        break;
      case 'b':
        build();
        break;
      case 'q':
        put(integer(1));
        break;
      case 'r':
        put(integer(4));
        break;
      case 'h':
        get(integer(1));
        break;
      case 'j':
        get(integer(4));
        break;
      case '.':
        return false;
      default:
        fail_here("opcode ", opcode, ", which torch.save does not write for a state dict");
    }
    return true;
  }

  template <class... Parts>
  [[noreturn]] void fail_here(const Parts&... parts) const {
    fail(ErrorKind::kData, "byte ", opcode_at_, ": ", parts...);
  }

  std::string_view take(std::size_t n) {
    if (n > bytes_.size() - at_)
      fail_here(n, " bytes expected, but only ", bytes_.size() - at_, " follow");
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }

  unsigned byte() { return static_cast<unsigned char>(take(1)[0]); }

  // Little-endian, unsigned, up to 7 bytes.
  std::int64_t integer(std::size_t n) {
    std::int64_t value = 0;
    for (std::size_t i = 0; i < n; ++i) value |= std::int64_t{byte()} << (8 * i);
    return value;
  }

  // A length, then as many bytes in two's complement.
  std::int64_t long_integer() {
    const std::size_t n = byte();
    if (n > 8) fail_here("an integer of ", n, " bytes, expected at most 8");
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < n; ++i) value |= std::uint64_t{byte()} << (8 * i);
    const bool negative = n > 0 && (value >> (8 * n - 1)) != 0;
    if (negative && n < 8) value |= ~std::uint64_t{0} << (8 * n);
    return static_cast<std::int64_t>(value);
  }

  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail_here("a name without an end");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }

  void push(PickleValue value) {
    if (++values_ > kMaxValues) fail_here("more than ", kMaxValues, " values");
    stack_.push_back(value);
  }

  PickleValue pop() {
    if (stack_.empty()) fail_here("a value expected on the stack, which is empty");
    const PickleValue value = stack_.back();
    stack_.pop_back();
    if (value.kind == Kind::kMark) fail_here("a value expected on the stack, found a mark");
    return value;
  }

  void push_text(Kind kind, std::string_view text) {
    pickle_.texts_.push_back(text);
    push({kind, static_cast<std::int64_t>(pickle_.texts_.size() - 1)});
  }

  void push_global() {
    const std::string module(line());
    const std::string name = module + "." + std::string(line());
    const auto found = std::find(globals_.begin(), globals_.end(), name);
    if (found == globals_.end())
      fail_here("the pickle refers to ", escaped(name),
                ", which is not part of a state dict; nothing was executed");
    push_text(Kind::kGlobal, *found);
  }

  // The number of values above the topmost mark.
  std::size_t above_mark() const {
    for (std::size_t n = 0; n < stack_.size(); ++n)
      if (stack_[stack_.size() - 1 - n].kind == Kind::kMark) return n;
    fail_here("no mark on the stack");
  }

  // Removes the topmost `n` values, and `marks` below them; returns the values.
  std::vector<PickleValue> pop_many(std::size_t n, std::size_t marks) {
    if (n + marks > stack_.size()) fail_here(n, " values expected on the stack");
    const auto first = stack_.end() - static_cast<std::ptrdiff_t>(n);
    std::vector<PickleValue> values(first, stack_.end());
    for (const PickleValue& value : values)
      if (value.kind == Kind::kMark) fail_here("a value expected on the stack, found a mark");
    stack_.resize(stack_.size() - n - marks);
    return values;
  }

  void push_items(Kind kind, std::size_t n, std::size_t marks = 0) {
    pickle_.items_.push_back(pop_many(n, marks));
    push({kind, static_cast<std::int64_t>(pickle_.items_.size() - 1)});
  }

  std::vector<PickleValue>& items_of(const PickleValue& value) {
    return pickle_.items_[static_cast<std::size_t>(value.number)];
  }

  // Adds the topmost `n` values to the list or dict below them.
  void add(Kind kind, std::size_t n, std::size_t marks = 0) {
    const std::vector<PickleValue> values = pop_many(n, marks);
    if (stack_.empty() || stack_.back().kind != kind)
      fail_here("expected ", kind_text(kind), " to add to");
    if (kind == Kind::kDict && n % 2 != 0) fail_here("a key without a value");
    std::vector<PickleValue>& items = items_of(stack_.back());
    items.insert(items.end(), values.begin(), values.end());
  }

  void call() {
    const PickleValue arguments = pop(), function = pop();
    if (function.kind != Kind::kGlobal || arguments.kind != Kind::kTuple)
      fail_here("a call of ", kind_text(function.kind), " with ", kind_text(arguments.kind),
                ", expected a function and a tuple");
    if (pickle_.text(function) == kOrderedDict) {
      if (!items_of(arguments).empty()) fail_here(kOrderedDict, " with arguments, expected none");
      return push_items(Kind::kDict, 0);
    }
    push(function);
    push(arguments);
    push_items(Kind::kCall, 2);
  }

  // Sets attributes: torch keeps module versions in an attribute of the OrderedDict. They are
  // ignored.
  void build() {
    const PickleValue state = pop(), object = pop();
    if (object.kind != Kind::kDict || state.kind != Kind::kDict)
      fail_here("attributes of ", kind_text(object.kind), ", expected those of an OrderedDict");
    stack_.push_back(object);
  }

  void put(std::int64_t index) {
    const auto i = static_cast<std::size_t>(index);
    // Python numbers them in order.
    if (i > memo_.size()) fail_here("memo ", i, ", expected at most ", memo_.size());
    const PickleValue value = pop();
    stack_.push_back(value);
    if (i == memo_.size()) {
      memo_.push_back(value);
    } else {
      memo_[i] = value;
    }
  }

  void get(std::int64_t index) {
    const auto i = static_cast<std::size_t>(index);
    if (i >= memo_.size()) fail_here("memo ", i, ", expected one of ", memo_.size());
    push(memo_[i]);
  }

  const std::string_view bytes_;
  const std::span<const std::string_view> globals_;
  Pickle& pickle_;

  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  std::size_t values_ = 0;  // pushed so far
  std::vector<PickleValue> stack_;
  std::vector<PickleValue> memo_;
};

Pickle::Pickle(std::string_view bytes, std::span<const std::string_view> globals) {
  PickleReader(bytes, globals, *this).read();
}

std::string_view Pickle::text(const PickleValue& value) const {
  assert(value.kind == Kind::kString || value.kind == Kind::kGlobal);
  return texts_[static_cast<std::size_t>(value.number)];
}

std::span<const PickleValue> Pickle::items(const PickleValue& value) const {
  assert(value.kind >= Kind::kTuple && value.kind <= Kind::kPersistent);
  return items_[static_cast<std::size_t>(value.number)];
}

}  // namespace switchyard
