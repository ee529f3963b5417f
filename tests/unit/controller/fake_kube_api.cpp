#include "tests/unit/controller/fake_kube_api.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace cppx::controller::test {

using nlohmann::json;

namespace {

/// Value of a query parameter, empty when it is not there.
std::string parameter(const std::string& query, std::string_view name) {
  for (const auto part : split_list(query, '&'))
    if (part.starts_with(name) && part.substr(name.size()).starts_with('='))
      return std::string(part.substr(name.size() + 1));
  return {};
}

std::string key_of(const json& object) {
  return object["metadata"].value("namespace", "") + "/" + object["metadata"].value("name", "");
}

/// "/api/v1/namespaces/shop/services/web" → {"/api/v1/services", "shop", "web"}.
struct Target {
  std::string collection;
  std::string ns;
  std::string name;
};

Target target_of(std::string path) {
  static constexpr std::string_view kInNamespace = "/namespaces/";
  Target target;
  const std::size_t group_end = path.starts_with("/api/v1") ? 7 : path.find("/v1") + 3;
  std::string rest = path.substr(group_end);
  if (rest.starts_with(kInNamespace)) {
    const auto slash = rest.find('/', kInNamespace.size());
    target.ns = rest.substr(kInNamespace.size(), slash - kInNamespace.size());
    rest = rest.substr(slash);
  }
  const auto slash = rest.find('/', 1);
  if (slash != std::string::npos) target.name = rest.substr(slash + 1);
  target.collection = path.substr(0, group_end) + rest.substr(0, slash);
  return target;
}

FakeReply error_reply(unsigned code, const std::string& message) {
  FakeReply reply;
  reply.status = code;
  reply.body = FakeKubeApi::status(code, message).dump();
  return reply;
}

}  // namespace

FakeKubeApi::FakeKubeApi(boost::asio::io_context& io)
    : server(io, [this](const FakeRequest& request) { return answer(request); }) {}

json FakeKubeApi::status(unsigned code, const std::string& message) {
  return {
      {"kind", "Status"},
      {"apiVersion", "v1"},
      {"status", "Failure"},
      {"message", message},
      {"code", code}
  };
}

std::string FakeKubeApi::event_line(const std::string& type, const json& object) {
  return json{{"type", type}, {"object", object}}.dump() + "\n";
}

void FakeKubeApi::put(const std::string& collection, json object) {
  const std::string key = key_of(object);
  const bool there = collections_[collection].contains(key);
  object["metadata"]["resourceVersion"] = std::to_string(++revision_);
  collections_[collection][key] = object;
  happened(there ? "MODIFIED" : "ADDED", collection, std::move(object));
}

void FakeKubeApi::remove(
    const std::string& collection, const std::string& ns, const std::string& name
) {
  auto entry = collections_[collection].extract(ns + "/" + name);
  json object = std::move(entry.mapped());
  object["metadata"]["resourceVersion"] = std::to_string(++revision_);
  happened("DELETED", collection, std::move(object));
}

void FakeKubeApi::bookmark(const std::string& collection) {
  server.push(
      collection + "?watch",
      event_line("BOOKMARK", {{"metadata", {{"resourceVersion", std::to_string(revision_)}}}})
  );
}

void FakeKubeApi::happened(const std::string& type, const std::string& collection, json object) {
  const std::string ns = object["metadata"].value("namespace", "");
  history_.push_back({revision_, collection, ns, event_line(type, object)});
  server.push(collection + "?watch", history_.back().line);
  if (ns.empty()) return;
  const auto slash = collection.rfind('/');
  const std::string namespaced =
      collection.substr(0, slash) + "/namespaces/" + ns + collection.substr(slash);
  server.push(namespaced + "?watch", history_.back().line);
}

std::size_t FakeKubeApi::lists(const std::string& collection) const {
  std::size_t count = 0;
  for (const FakeRequest& request : server.requests)
    if (request.target.starts_with(collection + "?") &&
        parameter(request.target, "watch").empty() &&
        request.target.find("watch=1") == std::string::npos &&
        request.target.find("continue=") == std::string::npos)
      ++count;
  return count;
}

std::size_t FakeKubeApi::watches(const std::string& collection) const {
  std::size_t count = 0;
  for (const FakeRequest& request : server.requests)
    if (request.target.starts_with(collection + "?watch=1")) ++count;
  return count;
}

FakeReply FakeKubeApi::answer(const FakeRequest& request) {
  for (const auto& [part, reply] : overrides)
    if (request.target.find(part) != std::string::npos) return reply;
  if (request.method != "GET") return write(request);
  const auto question = request.target.find('?');
  const Target target = target_of(request.target.substr(0, question));
  const std::string query =
      question == std::string::npos ? "" : request.target.substr(question + 1);
  if (!target.name.empty() && before_read) before_read(request);
  if (!target.name.empty()) return get(target.collection, target.ns + "/" + target.name);
  if (parameter(query, "sendInitialEvents") == "true") return stream(target.collection, target.ns);
  if (parameter(query, "watch") == "1") return watch(target.collection, target.ns, query);
  return list(target.collection, target.ns, query);
}

json FakeKubeApi::object(
    const std::string& collection, const std::string& ns, const std::string& name
) const {
  const auto objects = collections_.find(collection);
  if (objects == collections_.end()) return nullptr;
  const auto found = objects->second.find(ns + "/" + name);
  return found == objects->second.end() ? json() : found->second;
}

std::size_t FakeKubeApi::count(const std::string& method, const std::string& part) const {
  std::size_t count = 0;
  for (const FakeRequest& request : server.requests)
    if (request.method == method && request.target.find(part) != std::string::npos) ++count;
  return count;
}

FakeReply FakeKubeApi::write(const FakeRequest& request) {
  static constexpr std::string_view kStatus = "/status";
  if (before_write) before_write(request);
  Target target = target_of(request.target);
  if (request.method == "POST")
    return create(target.collection, target.ns, json::parse(request.body));
  const bool status = target.name.ends_with(kStatus);
  if (status) target.name.resize(target.name.size() - kStatus.size());
  return change(target.collection, target.ns + "/" + target.name, request, status);
}

FakeReply FakeKubeApi::create(const std::string& collection, const std::string& ns, json object) {
  object["metadata"]["namespace"] = ns;
  const std::string key = key_of(object);
  if (collections_[collection].contains(key)) return error_reply(409, key + " already exists");
  put(collection, std::move(object));
  FakeReply reply;
  reply.status = 201;
  reply.body = collections_[collection][key].dump();
  return reply;
}

FakeReply FakeKubeApi::change(
    const std::string& collection, const std::string& key, const FakeRequest& request, bool status
) {
  const auto found = collections_[collection].find(key);
  if (found == collections_[collection].end()) return error_reply(404, key + " not found");
  const json body = json::parse(request.body);
  const std::string version = body.contains("metadata")
                                  ? body["metadata"].value("resourceVersion", std::string())
                                  : std::string();
  if (!version.empty() &&
      version != found->second["metadata"]["resourceVersion"].get<std::string>())
    return error_reply(409, "the object has been modified");
  json object = found->second;
  if (request.method == "PATCH")
    object.merge_patch(body);
  else if (status)
    object["status"] = body.value("status", json::object());
  else
    object = body;
  put(collection, std::move(object));
  FakeReply reply;
  reply.body = collections_[collection][key].dump();
  return reply;
}

FakeReply FakeKubeApi::get(const std::string& collection, const std::string& key) {
  const auto& objects = collections_[collection];
  const auto found = objects.find(key);
  if (found == objects.end()) return error_reply(404, key + " not found");
  FakeReply reply;
  reply.body = found->second.dump();
  return reply;
}

FakeReply FakeKubeApi::list(
    const std::string& collection, const std::string& ns, const std::string& query
) {
  const auto limit = parse_int<std::size_t>(parameter(query, "limit")).value_or(1'000'000);
  // "<revision>.<key to go on after>", as opaque to the client as the real one.
  const std::string token = parameter(query, "continue");
  std::uint64_t revision = revision_;
  std::string after;
  if (!token.empty()) {
    const auto dot = token.find('.');
    revision = parse_int<std::uint64_t>(token.substr(0, dot)).value_or(0);
    after = token.substr(dot + 1);
    for (std::size_t at; (at = after.find("%2F")) != std::string::npos;) after.replace(at, 3, "/");
    if (revision < compacted_)
      return error_reply(410, "The provided continue parameter is too old");
  }
  json items = json::array();
  std::string last;
  bool more = false;
  for (const auto& [key, object] : collections_[collection]) {
    if (!after.empty() && key <= after) continue;
    if (!ns.empty() && !key.starts_with(ns + "/")) continue;
    if (items.size() == limit) {
      more = true;
      break;
    }
    items.push_back(object);
    last = key;
  }
  json metadata = {{"resourceVersion", std::to_string(revision)}};
  if (more) metadata["continue"] = fmt::format("{}.{}", revision, last);
  FakeReply reply;
  reply.body = json{{"kind", "List"}, {"metadata", metadata}, {"items", items}}.dump();
  if (after_page) after_page();
  return reply;
}

std::string FakeKubeApi::end_line() const {
  const json metadata = {
      {"resourceVersion", std::to_string(revision_)},
      {"annotations", {{"k8s.io/initial-events-end", "true"}}}
  };
  return event_line("BOOKMARK", {{"metadata", metadata}});
}

void FakeKubeApi::end_initial_events(const std::string& collection) {
  server.push(collection + "?watch", end_line());
}

FakeReply FakeKubeApi::stream(const std::string& collection, const std::string& ns) {
  if (!streams) return error_reply(422, "sendInitialEvents is forbidden for watch");
  FakeReply reply;
  reply.end = FakeReply::End::kHold;
  for (const auto& [key, object] : collections_[collection])
    if (ns.empty() || key.starts_with(ns + "/")) reply.body += event_line("ADDED", object);
  if (ends_initial_events) reply.body += end_line();
  return reply;
}

FakeReply FakeKubeApi::watch(
    const std::string& collection, const std::string& ns, const std::string& query
) {
  const auto from = parse_int<std::uint64_t>(parameter(query, "resourceVersion")).value_or(0);
  FakeReply reply;
  if (from < compacted_) return error_reply(410, "too old resource version");
  reply.end = FakeReply::End::kHold;
  for (const Event& event : history_)
    if (event.revision > from && event.collection == collection && (ns.empty() || event.ns == ns))
      reply.body += event.line;
  return reply;
}

}  // namespace cppx::controller::test
