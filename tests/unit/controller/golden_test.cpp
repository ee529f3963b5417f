// Every folder of tests/golden is a case: input.yaml, and in expected.txt what it translates to.
// Comment lines at the start of the input give what is not an object:
//   # flags: --disable-catch-all --configmap=default/cppx     flags, as given to the program
//   # names: api.example.com=192.0.2.1,192.0.2.2               what an ExternalName resolves to
//   # now: 2027-06-01T00:00:00Z
//   # include: secrets.yaml                                    objects of tests/golden/secrets.yaml
//   too
// With UPDATE_GOLDEN=1 in the environment the expected files are written anew.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "base/text.h"
#include "controller/model/timestamp.h"
#include "routing/dump.h"
#include "tests/unit/controller/translate_support.h"

namespace cppx::controller {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string name;
  std::vector<Object> objects;
  TranslateOptions options;
  ResolvedNames names;
  std::chrono::system_clock::time_point now = test::test_now();
};

ObjectKey key_of(std::string_view text) {
  const auto slash = text.find('/');
  REQUIRE(slash != std::string_view::npos);
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

void apply_flag(std::string_view flag, TranslateOptions& options) {
  const auto equals = flag.find('=');
  const auto name = flag.substr(0, equals);
  const std::string value(equals == std::string_view::npos ? "" : flag.substr(equals + 1));
  INFO(flag);
  if (name == "--disable-catch-all") {
    options.disable_catch_all = true;
  } else if (name == "--disable-svc-external-name") {
    options.disable_svc_external_name = true;
  } else if (name == "--configmap") {
    options.config_map = key_of(value);
  } else if (name == "--default-ssl-certificate") {
    options.default_ssl_certificate = key_of(value);
  } else if (name == "--default-backend-service") {
    options.default_backend_service = key_of(value);
  } else if (name == "--annotations-prefix") {
    options.annotations_prefix = value;
  } else if (name == "--ingress-class") {
    options.classes.ingress_class = value;
  } else if (name == "--controller-class") {
    options.classes.controller_class = value;
  } else if (name == "--ingress-class-by-name") {
    options.classes.ingress_class_by_name = true;
  } else if (name == "--watch-ingress-without-class") {
    options.classes.watch_ingress_without_class = true;
  } else {
    FAIL("unknown flag");
  }
}

void apply_comment(std::string_view line, Case& out) {
  const auto value_of = [&](std::string_view key) -> std::string_view {
    return line.starts_with(key) ? trim(line.substr(key.size())) : std::string_view();
  };
  for (const auto flag : split_list(value_of("# flags:"), ' ')) apply_flag(flag, out.options);
  for (const auto item : split_list(value_of("# names:"), ' ')) {
    const auto equals = item.find('=');
    auto& addresses = out.names[std::string(item.substr(0, equals))];
    for (const auto address : split_list(item.substr(equals + 1))) addresses.emplace_back(address);
  }
  if (const auto now = value_of("# now:"); !now.empty()) {
    const auto time = parse_timestamp(now);
    REQUIRE(time.has_value());
    out.now = *time;
  }
  if (const auto file = value_of("# include:"); !file.empty())
    for (Object& object :
         test::objects_of(test::read_text(CPPX_GOLDEN_DIR "/" + std::string(file))))
      out.objects.push_back(std::move(object));
}

Case read_case(const fs::path& folder) {
  Case out;
  out.name = folder.filename().string();
  INFO(out.name);
  // Manifests have no API server that would fill in the default class.
  out.options.classes.apply_default_class = true;
  const std::string text = test::read_text((folder / "input.yaml").string());
  for (const auto line : split_list(text, '\n')) {
    if (!line.starts_with('#')) break;
    apply_comment(line, out);
  }
  for (Object& object : test::objects_of(text)) out.objects.push_back(std::move(object));
  return out;
}

std::vector<fs::path> case_folders() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(CPPX_GOLDEN_DIR))
    if (entry.is_directory()) out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

Store store_of(const std::vector<Object>& objects) {
  Store store;
  for (const Object& object : objects) store.apply(object);
  return store;
}

TranslateInput input_of(const Case& item, const Store& store) {
  return {
      .store = store,
      .names = item.names,
      .now = item.now,
      .self_made_certificate = test::self_made_certificate(),
  };
}

}  // namespace

TEST_CASE("Translator: golden cases", "[controller]") {
  const auto folders = case_folders();
  REQUIRE(folders.size() >= 45);
  const bool update = std::getenv("UPDATE_GOLDEN") != nullptr;
  for (const fs::path& folder : folders) {
    DYNAMIC_SECTION(folder.filename().string()) {
      const Case item = read_case(folder);
      const Store store = store_of(item.objects);
      const std::string actual =
          test::show(Translator(item.options).translate(input_of(item, store)));
      const fs::path file = folder / "expected.txt";
      if (update) std::ofstream(file, std::ios::binary) << actual;
      CHECK(actual == test::read_text(file.string()));
    }
  }
}

TEST_CASE("Translator: order of arrival and history change nothing", "[controller]") {
  std::mt19937 random(7);  // NOLINT: the same shuffles at every run
  for (const fs::path& folder : case_folders()) {
    const Case item = read_case(folder);
    INFO(item.name);
    const Store whole = store_of(item.objects);
    const std::string expected =
        test::show(Translator(item.options).translate(input_of(item, whole)));
    for (int round = 0; round < 3; ++round) {
      std::vector<Object> objects = item.objects;
      std::ranges::shuffle(objects, random);
      // One Translator sees the objects come one by one.
      Translator translator(item.options);
      Store store;
      for (const Object& object : objects) {
        store.apply(object);
        translator.translate(input_of(item, store));
      }
      CHECK(test::show(translator.translate(input_of(item, store))) == expected);
    }
  }
}

}  // namespace cppx::controller
