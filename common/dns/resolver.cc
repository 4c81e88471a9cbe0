#include "common/dns/resolver.h"

#include <unbound-event.h>
#include <unbound.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/text.h"
#include "common/os/files.h"

namespace postern::dns {
namespace {

constexpr std::pair<const char*, const char*> options_of_unbound[] = {
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

constexpr std::pair<const char*, const char*> plain_options[] = {
    {"module-config:", "iterator"},
};

constexpr std::pair<const char*, const char*> validating_options[] = {
    {"module-config:", "validator iterator"},
    // A forged answer is asked for again soon, not believed.
    {"val-bogus-ttl:", "30"},
    {"val-clean-additional:", "yes"},
};

// The key signing keys of the root zone (IANA, root-anchors.xml): of 2017 and
// of 2024.
constexpr std::string_view root_anchors =
    ". IN DS 20326 8 2 "
    "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
    ". IN DS 38696 8 2 "
    "683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";

}  // namespace

Result<std::vector<std::string>> parse_trust_anchors(std::string_view text) {
  std::vector<std::string> anchors;
  for (const std::string& line : split(text, '\n')) {
    const std::string record(
        trim(std::string_view(line).substr(0, line.find(';'))));
    if (record.empty()) continue;
    const std::vector<std::string> words = split_words(record, " \t");
    const bool named = std::any_of(
        words.begin() + 1, words.end(), [](const std::string& word) {
          return equal_nocase(word, "DS") || equal_nocase(word, "DNSKEY");
        });
    if (!named)
      return try_later("3.5", "not a DS or DNSKEY record: " + printable(record));
    anchors.push_back(record);
  }
  if (anchors.empty()) return try_later("3.5", "no DS or DNSKEY record in it");
  return anchors;
}

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

  // With trust anchors: the context validates.
  Status configure(const std::vector<std::string>& servers,
                   const std::vector<std::string>& anchors) {
    if (ub_ == nullptr) return try_later("3.0", "no memory for libunbound");
    ::ub_ctx_debugout(ub_, nullptr);
    Status set = set_options(options_of_unbound);
    if (set)
      set = anchors.empty() ? set_options(plain_options)
                            : set_options(validating_options);
    if (!set) return set;
    for (const std::string& anchor : anchors)
      if (Status status = check(anchor, ::ub_ctx_add_ta(ub_, anchor.c_str()));
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
  template <class Options>
  Status set_options(const Options& options) {
    for (const auto& [name, value] : options)
      if (Status status = check(name, ::ub_ctx_set_option(ub_, name, value));
          !status)
        return status;
    return {};
  }
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
                       char* why_bogus, int) {
    constexpr int bogus = 1, secure = 2;
    auto* query = static_cast<Query*>(self);
    Answer found;
    if (sec == bogus)
      found.fault = printable(why_bogus != nullptr ? why_bogus : "bogus");
    else if (rcode == 0 && packet != nullptr && size > 0)
      found = read_answer(
          {static_cast<const char*>(packet), static_cast<std::size_t>(size)},
          query->type_);
    else if (rcode == static_cast<int>(Rcode::nx_domain))
      found.outcome = Outcome::nxdomain;
    found.secure = sec == secure;
    query->answer.set(std::move(found));
  }

  std::shared_ptr<Context> context_;
  Type type_;
  int id_ = 0;
};

Resolver::Resolver(ResolverOptions options) : options_(std::move(options)) {}
Resolver::~Resolver() = default;

Result<std::unique_ptr<Resolver>> Resolver::make(ResolverOptions options) {
  std::unique_ptr<Resolver> resolver(new Resolver(std::move(options)));
  for (const std::string& text : resolver->options_.servers) {
    const std::optional<std::string> server = server_from(text);
    if (!server)
      return give_up("3.5", "dns_servers: \"" + text +
                                "\" is not an address, address@port or "
                                "[address]:port");
    resolver->fixed_servers_.push_back(*server);
  }
  const auto started = resolver->current(resolver->plain_);
  if (!started) return started.trouble();
  return resolver;
}

Status Resolver::open(Side& side, const std::vector<std::string>& servers) {
  std::vector<std::string> anchors;
  if (side.proof == Proof::dnssec) {
    const std::string& file = options_.trust_anchor_file;
    const Result<std::string> text =
        file.empty() ? std::string(root_anchors) : os::read_file(file);
    if (!text) return text.trouble();
    Result<std::vector<std::string>> parsed = parse_trust_anchors(*text);
    if (!parsed)
      return try_later("3.5", "dns_trust_anchor_file: " + file + ": " +
                                  parsed.trouble().text);
    anchors = std::move(*parsed);
  }
  auto context = std::make_shared<Context>();
  Status status = context->configure(servers, anchors);
  if (status) side.context = std::move(context);
  return status;
}

// Looks whether resolv.conf has changed, at most once in five seconds. Trouble
// only where there never was a context: new servers that are not usable leave
// the old ones in place.
Result<std::shared_ptr<Resolver::Context>> Resolver::current(Side& side) {
  const bool fixed = !fixed_servers_.empty();
  if (side.context && fixed) return side.context;
  const Clock::time_point now = Clock::now();
  if (side.context && now - side.checked < Seconds(5)) return side.context;
  side.checked = now;
  const FileStamp stamp = FileStamp::of(options_.resolv_conf);
  if (side.context && stamp == side.stamp) return side.context;
  std::vector<std::string> servers = fixed_servers_;
  if (!fixed) {
    const Result<std::string> text = os::read_file(options_.resolv_conf);
    servers = servers_of(text ? *text : std::string());
  }
  const Status opened = open(side, servers);
  if (opened) side.stamp = stamp;
  if (!side.context) return opened.trouble();
  return side.context;
}

Task<Answer> Resolver::find(std::string name, Type type, Millis limit,
                            Proof proof) {
  const Result<std::shared_ptr<Context>> context =
      current(proof == Proof::dnssec ? validating_ : plain_);
  if (!context) {
    Answer unable;
    unable.fault = context.trouble().text;
    co_return std::move(unable);
  }
  Query query(*context, type);
  query.start(name);
  const bool in_time = co_await query.answer.wait(limit);
  Answer answer;
  answer.outcome = Outcome::timeout;
  if (in_time) answer = query.answer.take();
  co_return std::move(answer);
}

}  // namespace postern::dns
