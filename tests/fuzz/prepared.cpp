// SPDX-License-Identifier: Apache-2.0
// Reads the input as the JSON text of a prepared file's header, before a page of data: every tensor
// in a header that passes the checks is inside the file. Its checksum, which would keep every
// mutation out, is made right.
#include <cstring>
#include <string>
#include <string_view>

#include "src/core/hash.h"
#include "src/io/prepared_header.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

namespace {

std::string file_with(std::string_view text) {
  PreparedHeader empty;
  std::string file = empty.lay_out().substr(0, 64);
  file += text;
  file.resize((file.size() + 4095) / 4096 * 4096 + 4096, '\0');
  const std::uint64_t numbers[] = {text.size(), xxh64(std::as_bytes(std::span(text))), file.size()};
  std::memcpy(file.data() + 16, numbers, sizeof(numbers));
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string file = file_with({reinterpret_cast<const char*>(data), size});
  read_or_reject(ErrorKind::kData, [&] {
    const std::span<const std::byte> bytes = std::as_bytes(std::span(file));
    PreparedHeader header;
    if (!header.read(bytes, "input")) std::abort();
    for (const auto& [name, tensor] : header.tensors) {
      const auto range = bytes.subspan(header.data_begin + tensor.offset, tensor.bytes);
      const std::string copy(reinterpret_cast<const char*>(range.data()), range.size());
      if (copy.find_first_not_of('\0') != copy.npos) std::abort();  // the data is all zeros
    }
  });
  return 0;
}
