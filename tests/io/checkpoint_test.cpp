// SPDX-License-Identifier: Apache-2.0
#include "src/io/checkpoint.h"

#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/core/file.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"
#include "tests/support/tiny_model.h"

using namespace switchyard;

namespace {

// A model with optimizer state, and a directory for checkpoints.
struct Run {
  explicit Run(const ModelConfig& config = tiny_config({false, true}, {true}))
      : tiny(config),
        moment(*tiny.ctx, tiny.model.layout()),
        rows(*tiny.ctx, 1, tiny.model.shared.rows) {
    switchyard::fill(*tiny.ctx, 5, rows);
    scale(*tiny.ctx, 3, tiny.values.flat(), moment.flat());
  }
  void save(const std::string& name, std::int64_t step) {
    save_checkpoint(*tiny.ctx, directory / name,
                    {tiny.model, tiny.values, generation, state(),
                     [](const fs::path& f) { write_text(f / "spiece.model", "pieces"); }},
                    {{"step", step}});
  }
  void load(const std::string& name) {
    load_checkpoint(*tiny.ctx, directory / name, tiny.model, tiny.values, state());
  }
  // A moment of every parameter, and row sums of the shared embedding.
  std::vector<StateTensor> state() const {
    std::vector<StateTensor> state;
    tiny.model.each_param([&](const Param& param) {
      state.push_back({"exp_avg", &param, moment[param]});
    });
    state.push_back({"row", &tiny.model.shared, rows.view()});
    return state;
  }
  std::string error_of(const std::string& name) {
    try {
      load(name);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }

  TinyModel tiny;
  ParamBuffer moment;
  Tensor rows;
  GenerationConfig generation;
  TempDirectory directory;
};

}  // namespace

TEST_CASE("checkpoint: loading restores what was saved, and the directory is a model") {
  Run run;
  const std::vector<float> values = run.tiny.read(run.tiny.values.flat());
  const std::vector<float> moment = run.tiny.read(run.moment.flat());
  run.save("checkpoint-7", 7);
  fill(*run.tiny.ctx, 0, run.tiny.values.flat());
  fill(*run.tiny.ctx, 0, run.moment.flat());
  run.load("checkpoint-7");
  CHECK(read_trainer_state(run.directory / "checkpoint-7")["step"] == 7);
  CHECK(run.tiny.read(run.tiny.values.flat()) == values);
  CHECK(run.tiny.read(run.moment.flat()) == moment);
  const LoadedModel loaded = load_model(*run.tiny.ctx, run.directory / "checkpoint-7");
  CHECK(loaded.model->config() == run.tiny.model.config());
  CHECK(read_text(run.directory / "checkpoint-7" / "spiece.model") == "pieces");
}

TEST_CASE("checkpoint: damage to any file is detected, and the previous checkpoint is used") {
  Run run;
  run.save("checkpoint-7", 7);
  run.save("checkpoint-8", 8);
  const std::vector<fs::path> directories = {run.directory / "checkpoint-7",
                                             run.directory / "checkpoint-8"};
  CHECK(newest_whole_checkpoint(directories) == directories[1]);
  std::string problem;
  for (const auto& entry : fs::directory_iterator(directories[1])) {
    const std::string good = read_text(entry.path());
    std::string flipped = good;
    flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 4);
    CAPTURE(entry.path().string());
    for (const std::string& bad : {flipped, good.substr(0, good.size() / 2), std::string()}) {
      write_text(entry.path(), bad);
      CHECK(!checkpoint_is_whole(directories[1], problem));
      CHECK(newest_whole_checkpoint(directories) == directories[0]);
      CHECK(run.error_of("checkpoint-8") != "");
    }
    write_text(entry.path(), good);
    CHECK(checkpoint_is_whole(directories[1], problem));
  }
  fs::remove(directories[1] / "optimizer.safetensors");
  CHECK(newest_whole_checkpoint(directories) == directories[0]);
  fs::remove(directories[0] / "checksums.json");
  CHECK_THROWS_AS(newest_whole_checkpoint(directories), Error);
  CHECK(newest_whole_checkpoint({}).empty());
}

TEST_CASE("checkpoint: a flipped bit is detected in every MiB of a large file") {
  Run run;
  std::string large;
  for (std::size_t i = 0; i < 2'500'000; ++i) large += static_cast<char>(i % 251);
  const fs::path checkpoint = run.directory / "checkpoint-7";
  save_checkpoint(*run.tiny.ctx, checkpoint,
                  {run.tiny.model, run.tiny.values, run.generation, run.state(),
                   [&](const fs::path& f) { write_text(f / "large", large); }},
                  {});
  std::string problem;
  CHECK(checkpoint_is_whole(checkpoint, problem));
  for (const std::size_t place : {0, 1'500'000, 2'499'999}) {
    std::string flipped = large;
    flipped[place] ^= 1;
    write_text(checkpoint / "large", flipped);
    CAPTURE(place);
    CHECK(!checkpoint_is_whole(checkpoint, problem));
  }
}

TEST_CASE("checkpoint: another model's or optimizer's is rejected, with both shapes") {
  Run run;
  run.save("checkpoint-7", 7);
  ModelConfig wider = run.tiny.model.config();
  wider.d_ff += 1;
  Run other(wider);
  fs::copy(run.directory / "checkpoint-7", other.directory / "checkpoint-7");
  CHECK(other.error_of("checkpoint-7").find("shape [5, 6], expected [6, 6]") != std::string::npos);
  std::vector<StateTensor> two = run.state();
  two.push_back({"exp_avg_sq", &run.tiny.model.shared, run.moment[run.tiny.model.shared]});
  CHECK_THROWS_AS(load_checkpoint(*run.tiny.ctx, run.directory / "checkpoint-7", run.tiny.model,
                                  run.tiny.values, two),
                  Error);
}

TEST_CASE("checkpoint: non-finite values are reported, and the existing checkpoint is kept") {
  Run run;
  run.save("checkpoint-7", 7);
  const std::string before = read_text(run.directory / "checkpoint-7" / "optimizer.safetensors");
  for (const ParamBuffer* buffer : {&run.tiny.values, &run.moment})
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      const View row = (*buffer)[run.tiny.model.shared].slice_rows(1, 1);
      const std::vector<float> good = run.tiny.read(row);
      std::vector<float> spoiled = good;
      spoiled[2] = bad;
      upload(*run.tiny.ctx, spoiled.data(), row.cols, row);
      for (const char* name : {"checkpoint-7", "checkpoint-8"}) {
        try {
          run.save(name, 8);
          FAIL("saved");
        } catch (const Error& e) {
          CHECK(e.kind() == ErrorKind::kDiverged);
          CHECK(std::string(e.what()).find("shared.weight: ") != std::string::npos);
          CHECK(std::string(e.what()).find("at element 8") != std::string::npos);
        }
      }
      upload(*run.tiny.ctx, good.data(), row.cols, row);
    }
  CHECK(read_text(run.directory / "checkpoint-7" / "optimizer.safetensors") == before);
  CHECK(std::distance(fs::directory_iterator(run.directory.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("checkpoint: export checks and copies the model without the training state") {
  Run run;
  run.save("checkpoint-7", 7);
  const fs::path out = run.directory / "out";
  fs::create_directory(out);
  export_model(run.directory / "checkpoint-7", out);
  const LoadedModel loaded = load_model(*run.tiny.ctx, out);
  CHECK(loaded.model->config() == run.tiny.model.config());
  CHECK(read_text(out / "spiece.model") == "pieces");
  CHECK(read_text(out / "model.safetensors") ==
        read_text(run.directory / "checkpoint-7" / "model.safetensors"));
  for (const char* name : {"optimizer.safetensors", "trainer_state.json", "checksums.json"})
    CHECK(!fs::exists(out / name));
  write_text(run.directory / "checkpoint-7" / "model.safetensors", "damaged");
  CHECK_THROWS_AS(export_model(run.directory / "checkpoint-7", out), Error);
  const std::string outside = R"({"files": {"../x": {"bytes": 1, "crc32": "0"}}})";
  write_text(run.directory / "checkpoint-7" / "checksums.json", outside);
  CHECK_THROWS_AS(export_model(run.directory / "checkpoint-7", out), Error);
}
