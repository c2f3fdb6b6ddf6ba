// SPDX-License-Identifier: Apache-2.0
#include "src/core/file_content.h"

#include <span>

namespace switchyard {

namespace {

struct Format {
  std::string_view magic;
  std::string_view name;
};

using namespace std::string_view_literals;

constexpr Format kText[] = {
    {"version https://git-lfs"sv,
     "a Git LFS pointer instead of the file (git lfs pull fetches it)"},
    {"<!DOCTYPE"sv, "an HTML page"},
    {"<!doctype"sv, "an HTML page"},
    {"<html"sv, "an HTML page"},
    {"<?xml"sv, "an XML document"},
};

// UTF-32 comes first, since its byte order mark begins with that of UTF-16.
constexpr Format kBinary[] = {
    {"\xFF\xFE\0\0"sv, "UTF-32 text"},
    {"\0\0\xFE\xFF"sv, "UTF-32 text"},
    {"\xFF\xFE"sv, "UTF-16 text"},
    {"\xFE\xFF"sv, "UTF-16 text"},
    {"\x1F\x8B"sv, "gzip data"},
    {"PK\x03\x04"sv, "a zip archive (as PyTorch and office programs write)"},
    {"\x28\xB5\x2F\xFD"sv, "zstd data"},
    {"\xFD"
     "7zXZ"sv,
     "xz data"},
    {"BZh91AY&SY"sv, "bzip2 data"},
    {"%PDF-"sv, "a PDF"},
    {"\x89PNG"sv, "an image"},
    {"\x7F"
     "ELF"sv,
     "a program"},
};

std::string_view find(std::span<const Format> formats, std::string_view start) {
  for (const Format& format : formats)
    if (start.starts_with(format.magic)) return format.name;
  return {};
}

}  // namespace

std::string_view recognised_content(std::string_view start) {
  const std::string_view text = find(kText, start);
  return text.empty() ? find(kBinary, start) : text;
}

std::string_view recognised_binary(std::string_view start) { return find(kBinary, start); }

}  // namespace switchyard
