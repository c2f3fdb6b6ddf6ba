// SPDX-License-Identifier: Apache-2.0
// Reads T5X checkpoints: a directory checkpoint_STEP with a Flax file, "checkpoint", that holds
// each parameter or names the zarr array that does. The optimizer's state is not read. Format:
// google-research/t5x, t5x/checkpoints.py, versions 2 and 3.
#pragma once

#include <filesystem>
#include <memory>

#include "src/io/tensor_source.h"

namespace switchyard {

// Returns true if the directory has a file called "checkpoint". TensorFlow uses this name, too;
// open_t5x() then says so.
bool is_t5x(const std::filesystem::path& directory);

// Presents the parameters as Hugging Face's tensors: under its names, transposed from [in, out] to
// [out, in], each expert by itself. read_bytes() assembles a tensor from the chunks that hold it;
// what it assembled last is kept, up to 192 MiB or one tensor, so read tensors in their order.
// Thread-safe.
//
// Error(kData) naming the file or the parameter if the checkpoint is incomplete or damaged, has
// parameters that are not T5's or a Switch Transformer's (or those of scanned layers), or names
// files outside the directory; Error(kRuntime) if a file cannot be read.
std::unique_ptr<TensorSource> open_t5x(const std::filesystem::path& directory);

}  // namespace switchyard
