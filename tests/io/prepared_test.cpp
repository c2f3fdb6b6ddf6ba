// SPDX-License-Identifier: Apache-2.0
// Prepared files: a model that is loaded from one computes what the same model does when it is
// packed in memory; a damaged file is an error, and one that does not fit is not used.
#include <set>

#include "src/core/hash.h"
#include "src/io/prepared_header.h"
#include "src/io/prepared_model.h"
#include "tests/io/saved_model.h"

namespace switchyard {
namespace {

std::vector<float> logits_of(Context& ctx, const Model& model) {
  const ArenaScope scope(ctx.saved);
  const HostBatch host = random_batch(model.config(), {5, 1, 9}, {3, 8, 1}, 3);
  const Batch batch = upload_batch(ctx, ctx.saved, host, model.config());
  const View logits = model.logits(ctx, {}, batch);
  std::vector<float> values(static_cast<std::size_t>(logits.size()));
  download(ctx, logits, values.data(), logits.size());
  return values;
}

std::unique_ptr<Context> translating(DType type) { return make_context({1, true, type}); }

ModelConfig config_with_panels() {  // some larger than those of every layout
  ModelConfig c = switch_config();
  c.vocab_size = 75;
  c.d_model = 40;
  return c;
}

// A saved model with a prepared file, to be damaged.
struct Prepared {
  explicit Prepared(const ModelConfig& config, DType type = DType::i8)
      : saved(config), ctx(translating(type)) {
    path = write_prepared_model(*ctx, saved.directory.path());
    good = read_text(path);
  }

  LoadedModel load() { return load_prepared_model(*ctx, saved.directory.path()); }
  std::string error() {
    try {
      load();
      return "";
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kData);
      return e.what();
    }
  }
  json header() const {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, good.data() + 16, 8);
    return json::parse(good.substr(64, bytes));
  }
  // Rewrites the file with another header, whose checksum is right, and the same data.
  void set_header(const json& header) {
    const std::string text = header.dump();
    REQUIRE(64 + text.size() <= 4096 * (1 + (data_begin() - 1) / 4096));
    std::string file = good.substr(0, 64) + text;
    file.resize((file.size() + 4095) / 4096 * 4096, '\0');
    file += good.substr(data_begin());
    set(file, 16, text.size());
    set(file, 24, xxh64(std::as_bytes(std::span(text))));
    set(file, 32, file.size());
    write_text(path, file);
  }
  static void set(std::string& file, std::size_t at, std::uint64_t value) {
    std::memcpy(file.data() + at, &value, 8);
  }
  std::size_t data_begin() const {
    PreparedHeader header;
    REQUIRE(header.read(std::as_bytes(std::span(good)), path));
    return header.data_begin;
  }

  SavedModel saved;
  std::unique_ptr<Context> ctx;
  fs::path path;
  std::string good;
};

TEST_CASE("a prepared file gives the same bits as packing in memory") {
  const DType type = GENERATE(DType::f32, DType::i8, DType::bf16);
  for (const ModelConfig& config : {config_with_panels(), dense_config()}) {
    CAPTURE(name_of(type), config.model_type);
    const SavedModel saved(config);
    const auto ctx = translating(type);
    const LoadedModel packed = load_prepared_model(*ctx, saved.directory.path());
    CHECK(packed.prepared_file == "");
    const fs::path path = write_prepared_model(*ctx, saved.directory.path());
    const std::string first = read_text(path);
    const LoadedModel adopted = load_prepared_model(*ctx, saved.directory.path());
    CHECK(adopted.prepared_file == path.filename());
    CHECK(logits_of(*ctx, *adopted.model) == logits_of(*ctx, *packed.model));
    adopted.model->check_unchanged();
    // Prepared again, from the weights, it is the same file.
    write_prepared_model(*ctx, saved.directory.path());
    CHECK(read_text(path) == first);
    CHECK(verify_prepared_file(path) != "");
    CHECK(logits_of(*ctx, *adopted.model) == logits_of(*ctx, *packed.model));
  }
}

TEST_CASE("a model loaded from a prepared file can be rebound and repacked") {
  Prepared p(config_with_panels(), DType::f32);  // an embedding is looked up in the value, if any
  const LoadedModel adopted = p.load();
  const std::vector<float> expected = logits_of(*p.ctx, *adopted.model);
  adopted.model->bind(*p.ctx, p.saved.tiny.values);
  adopted.model->prepare(*p.ctx);
  CHECK(logits_of(*p.ctx, *adopted.model) == expected);
}

TEST_CASE("a tensor that is packed in a prepared file has no float32 value") {
  Prepared p(config_with_panels());
  const LoadedModel loaded = p.load();
  const json tensors = p.header()["tensors"];
  std::set<bool> seen;
  loaded.model->each_param([&](const Param& param) {
    CAPTURE(param.name);
    const bool packed = tensors[param.name]["layout"] != "";
    CHECK(static_cast<bool>(param.weight.value) == !packed);
    seen.insert(packed);
  });
  CHECK(seen.size() == 2);
  // Another type can neither be packed nor written from it.
  const auto other = translating(DType::f32);
  CHECK_THROWS_AS(loaded.model->prepare(*other), Error);
  const auto training = make_context({});
  CHECK_THROWS_AS(write_prepared_file(*training, p.path, *loaded.model, {}), Error);
  CHECK(read_text(p.path) == p.good);
}

TEST_CASE("prepared files: damaged headers are errors") {
  Prepared p(config_with_panels());
  REQUIRE(p.error() == "");
  const std::string name = p.saved.tiny.model.shared.name;
  const auto tensor_with = [&](const char* key, const json& value) {
    return [=](json& h) { h["tensors"][name][key] = value; };
  };
  const json entry = p.header()["tensors"][name];
  const auto offset = entry["offset"].get<std::uint64_t>(),
             bytes = entry["bytes"].get<std::uint64_t>();
  const struct {
    std::string message;
    std::function<void(json&)> change;
  } cases[] = {
      {"compute_type: missing", [](json& h) { h.erase("compute_type"); }},
      {"compute_type float32, expected int8", [](json& h) { h["compute_type"] = "float32"; }},
      {"source: missing", [](json& h) { h.erase("source"); }},
      {"not an object", [](json& h) { h["source"][0] = 1; }},
      {"sample: xyz, expected 16", [](json& h) { h["source"][0]["sample"] = "xyz"; }},
      {"tensors: missing", [](json& h) { h["tensors"] = json::array(); }},
      {"no tensor " + name,
       [&](json& h) {
         h["tensors"]["x"] = h["tensors"][name];
         h["tensors"].erase(name);
       }},
      {"layout: missing", [&](json& h) { h["tensors"][name].erase("layout"); }},
      {"layout: 3, expected", tensor_with("layout", 3)},
      {"shape: missing", tensor_with("shape", "x")},
      {"shape: expected two numbers", tensor_with("shape", json::array({1}))},
      {"shape: expected two numbers", tensor_with("shape", json::array({1, -2}))},
      {"shape [40, 75], expected [75, 40]", tensor_with("shape", json::array({40, 75}))},
      {"offset: missing or negative", tensor_with("offset", -64)},
      {"offset " + std::to_string(offset + 1) + ", expected a multiple",
       tensor_with("offset", offset + 1)},
      {"where the previous tensor ends", tensor_with("offset", 0)},
      {" of data", tensor_with("offset", std::uint64_t{1} << 62)},
      {" of data", tensor_with("bytes", bytes + 64)},
      {"bytes of data, expected", tensor_with("bytes", bytes - 64)},
      {"bytes", tensor_with("bytes", std::uint64_t{1} << 62)},
      {"checksum: 0, expected 16", tensor_with("checksum", "0")},
      {"do not have the checksum", tensor_with("checksum", "0123456789abcdef")},
      {"tensors, expected",
       [&](json& h) {
         h["tensors"]["x"] = h["tensors"][name];
         h["tensors"]["x"]["bytes"] = 0;
         h["tensors"]["x"]["offset"] = offset + bytes;
       }},
  };
  for (const auto& c : cases) {
    json header = p.header();
    c.change(header);
    p.set_header(header);
    const std::string error = p.error();
    CAPTURE(c.message, error);
    CHECK(contains(error, c.message));
    CHECK(contains(error, "prepared-int8.bin: "));
  }
  write_text(p.path, p.good);
  CHECK(p.error() == "");
}

TEST_CASE("prepared files: no truncation and no flipped bit of the header is accepted") {
  Prepared p(switch_config());
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64},
                                 std::size_t{4096}, p.good.size() / 2, p.good.size() - 1}) {
    write_text(p.path, p.good.substr(0, size));
    CHECK(p.error() != "");
  }
  write_text(p.path, p.good + '\0');
  CHECK(contains(p.error(), "bytes, expected"));
  Rng rng(stream_key(1, 2, 3));
  const std::size_t end = 64 + p.header().dump().size();
  for (int i = 0; i < 300; ++i) {
    std::string bad = p.good;
    const std::uint64_t bit = rng.below(8 * end);
    if (bit / 8 >= 40 && bit / 8 < 64) continue;  // reserved
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    write_text(p.path, bad);
    // Of another version or byte order, the file is not used.
    if (bit / 8 >= 8 && bit / 8 < 16)
      CHECK(p.load().prepared_file == "");
    else
      CHECK(p.error() != "");
  }
}

TEST_CASE("prepared files that do not fit are not used") {
  Prepared p(config_with_panels());
  const std::vector<float> expected = logits_of(*p.ctx, *p.load().model);
  const auto is_used = [&] {
    const LoadedModel loaded = p.load();
    CHECK(logits_of(*p.ctx, *loaded.model) == expected);
    return loaded.prepared_file != "";
  };
  CHECK(is_used());
  json header = p.header();
  header["tensors"][p.saved.tiny.model.shared.name]["layout"] = "int8-31x4";
  p.set_header(header);
  CHECK(!is_used());

  write_text(p.path, p.good);
  const fs::path weights = p.saved.directory / "model.safetensors";
  const auto time = fs::last_write_time(weights);
  fs::last_write_time(weights, time + std::chrono::hours(1));  // a copy
  CHECK(is_used());
  p.saved.change_tensors(
      [](SavedModel::HostTensors& tensors) { tensors.begin()->second.values[0] += 1; });
  fs::last_write_time(weights, time);
  CHECK(p.load().prepared_file == "");
}

TEST_CASE("a prepared file that changes while it is in use is noticed") {
  Prepared p(config_with_panels());
  const LoadedModel loaded = p.load();
  loaded.model->check_unchanged();
  fs::resize_file(p.path, p.good.size() - 1);
  CHECK_THROWS_AS(loaded.model->check_unchanged(), Error);
  fs::resize_file(p.path, p.good.size());
  fs::last_write_time(p.path, fs::last_write_time(p.path) + std::chrono::hours(1));
  CHECK_THROWS_AS(loaded.model->check_unchanged(), Error);
}

}  // namespace
}  // namespace switchyard
