// SPDX-License-Identifier: Apache-2.0
// Prepared files: a model's weights packed for translation, in the layout that the kernels of some
// machines read, written next to the weights as DIR/prepared-TYPE.bin. They are mapped, so loading
// costs next to nothing, pages are read on first use, and all processes share them.
//
// A file in another layout, of another version, or made from other weights is not used; a damaged
// one is an error. Loading checks the header and the checksums of float32 values and of tensors
// below 64 KiB. Only verify_prepared_file() checks all checksums, because that reads every page.
// While the file is in use, Model::check_unchanged() detects writes to it.
//
// A file has each tensor either packed or as its float32 value, as stored_layout() says. A packed
// one has no value after loading: Param::weight.value has a shape but no data, and matmuls that
// need it throw Error(kRuntime).
#pragma once

#include <filesystem>
#include <string>

#include "src/io/source.h"
#include "src/nn/model.h"

namespace switchyard {

// "prepared-int8.bin"
std::string prepared_name(DType compute_type);

// Writes the weights of a model that is prepared for contexts like ctx. Durable, as in
// core/durable_file.h. Error(kRuntime), naming the tensor, if one that is not written packed has no
// float32 value.
void write_prepared_file(Context& ctx, const fs::path& path, const Model& model,
                         const Source& source);

// Loads `model`, whose weights are in `weights`, from the directory's prepared file for contexts
// like ctx, and returns the file's name. Returns "" if there is none, or if it cannot be used here;
// the log then says why. Error(kData), naming the file, the tensor, and what was found and
// expected, if it is damaged.
std::string adopt_prepared_file(Context& ctx, const fs::path& directory,
                                const TensorSource& weights, Model& model);

// Checks the header and all checksums. Error(kData) as above. Returns the layouts of the packed
// weights, "int8-32x4, float32-32", or "" if the file has another version or byte order.
std::string verify_prepared_file(const fs::path& path);

}  // namespace switchyard
