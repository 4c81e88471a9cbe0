#include "common/dns/resolver.h"

#include <unbound-event.h>
#include <unbound.h>

#include <optional>
#include <utility>

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern::dns {
namespace {

constexpr std::pair<const char*, const char*> options_of_unbound[] = {
    // No trust anchor is configured: nothing to validate with.
    {"module-config:", "iterator"},
    // The usual place of a caching resolver is this machine.
    {"do-not-query-localhost:", "no"},
    // Private networks have reverse zones too.
    {"unblock-lan-zones:", "yes"},
    {"insecure-lan-zones:", "yes"},
    // A forwarder gets the whole name at once, and only what was asked.
    {"qname-minimisation:", "no"},
    {"target-fetch-policy:", "0 0 0 0 0"},
    // How many questions are under way at once; each may take a descriptor.
    {"outgoing-range:", "256"},
    {"num-queries-per-thread:", "4096"},
    {"outgoing-num-tcp:", "16"},
    // A server that was dead is tried again soon.
    {"infra-host-ttl:", "30"},
    {"infra-keep-probing:", "yes"},
    {"msg-cache-size:", "16m"},
    {"rrset-cache-size:", "32m"},
};

// libunbound answers for these by itself unless told not to. Their fate is the
// name server's business.
constexpr const char* built_in_zones[] = {
    "localhost.",
    "127.in-addr.arpa.",
    "home.arpa.",
    "test.",
    "invalid.",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
};

}  // namespace

Answer read_answer(std::string_view packet, Type type) {
  Answer answer;
  std::optional<Message> message = parse_message(packet);
  if (!message) {
    answer.outcome = Outcome::malformed;
    return answer;
  }
  for (Record& record : message->answers)
    if (record.type == type) answer.records.push_back(std::move(record));
  if (message->rcode == Rcode::nx_domain)
    answer.outcome = Outcome::nxdomain;
  else if (message->rcode != Rcode::no_error)
    answer.outcome = Outcome::servfail;
  else
    answer.outcome = answer.records.empty() ? Outcome::nodata : Outcome::ok;
  if (!answer.ok()) answer.records.clear();
  return answer;
}

// One set of servers. Lives until the last question to them is done.
class Resolver::Context {
 public:
  Context() : ub_(::ub_ctx_create_event(Loop::current().base())) {}
  ~Context() {
    if (ub_ != nullptr) ::ub_ctx_delete(ub_);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  ub_ctx* get() const { return ub_; }

  Status configure(const std::vector<std::string>& servers) {
    if (ub_ == nullptr) return try_later("3.0", "no memory for libunbound");
    ::ub_ctx_debugout(ub_, nullptr);
    for (const auto& [name, value] : options_of_unbound)
      if (Status status = check(name, ::ub_ctx_set_option(ub_, name, value));
          !status)
        return status;
    for (const std::string& server : servers)
      if (Status status = check(server, ::ub_ctx_set_fwd(ub_, server.c_str()));
          !status)
        return status;
    // From the first of these on, the settings are final.
    for (const char* zone : built_in_zones)
      if (Status status = check(zone, ::ub_ctx_zone_remove(ub_, zone)); !status)
        return status;
    return {};
  }

 private:
  static Status check(std::string_view what, int code) {
    if (code == 0) return {};
    return try_later(
        "3.5", "libunbound: " + std::string(what) + ": " + ::ub_strerror(code));
  }
  ub_ctx* ub_;
};

// A question under way; cancelled when it goes.
class Resolver::Query {
 public:
  Query(std::shared_ptr<Context> context, Type type)
      : context_(std::move(context)), type_(type) {}
  ~Query() {
    if (!answer.is_set()) ::ub_cancel(context_->get(), id_);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // The answer may be there when this returns.
  void start(const std::string& name) {
    const int code =
        ::ub_resolve_event(context_->get(), name.c_str(),
                           static_cast<int>(type_), 1, this, &answered, &id_);
    if (code == 0) return;
    Answer failed;
    failed.outcome = code == UB_SYNTAX ? Outcome::bad_name : Outcome::servfail;
    answer.set(failed);
  }

  Promised<Answer> answer;

 private:
  static void answered(void* self, int rcode, void* packet, int size, int sec,
                       char*, int) {
    auto* query = static_cast<Query*>(self);
    Answer found;
    if (rcode == 0 && packet != nullptr && size > 0)
      found = read_answer(
          {static_cast<const char*>(packet), static_cast<std::size_t>(size)},
          query->type_);
    else if (rcode == static_cast<int>(Rcode::nx_domain))
      found.outcome = Outcome::nxdomain;
    found.secure = sec == 2;
    query->answer.set(std::move(found));
  }

  std::shared_ptr<Context> context_;
  Type type_;
  int id_ = 0;
};

Resolver::Resolver(ResolverOptions options) : options_(std::move(options)) {}
Resolver::~Resolver() = default;

Result<std::unique_ptr<Resolver>> Resolver::make(ResolverOptions options) {
  std::vector<std::string> servers;
  for (const std::string& text : options.servers) {
    const std::optional<std::string> server = server_from(text);
    if (!server)
      return give_up("3.5", "dns_servers: \"" + text +
                                "\" is not an address, address@port or "
                                "[address]:port");
    servers.push_back(*server);
  }
  std::unique_ptr<Resolver> resolver(new Resolver(std::move(options)));
  if (servers.empty()) {
    resolver->current();
    if (resolver->context_) return resolver;
    return try_later("3.5", "the resolver does not start");
  }
  if (Status status = resolver->open(servers); !status) return status.trouble();
  return resolver;
}

Status Resolver::open(const std::vector<std::string>& servers) {
  auto context = std::make_shared<Context>();
  Status status = context->configure(servers);
  if (status) context_ = std::move(context);
  return status;
}

// Looks whether resolv.conf has changed, at most once in five seconds.
std::shared_ptr<Resolver::Context> Resolver::current() {
  if (!options_.servers.empty()) return context_;
  const Clock::time_point now = Clock::now();
  if (context_ && now - checked_ < Seconds(5)) return context_;
  checked_ = now;
  const FileStamp stamp = FileStamp::of(options_.resolv_conf);
  if (context_ && stamp == stamp_) return context_;
  const Result<std::string> text = os::read_file(options_.resolv_conf);
  // With the old servers, where the new ones are not usable.
  if (open(servers_of(text ? *text : std::string()))) stamp_ = stamp;
  return context_;
}

Task<Answer> Resolver::find(std::string name, Type type, Millis limit) {
  Query query(current(), type);
  query.start(name);
  const bool in_time = co_await query.answer.wait(limit);
  Answer answer;
  answer.outcome = Outcome::timeout;
  if (in_time) answer = query.answer.take();
  co_return std::move(answer);
}

}  // namespace postern::dns
