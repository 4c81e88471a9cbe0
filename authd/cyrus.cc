#include "authd/cyrus.h"

#include <sasl/sasl.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "authd/mechanisms.h"
#include "common/base/text.h"
#include "common/os/files.h"

namespace postern::authd {
namespace {

using Line = std::pair<int, std::string>;

// What the library logs during a call; told in the loop's thread afterwards.
// Those of the library as a whole come from any thread.
class Lines {
 public:
  void add(int level, const char* text) {
    const std::lock_guard lock(mutex_);
    all_.push_back({level, text ? text : ""});
  }
  std::vector<Line> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(all_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Line> all_;
};

using CyrusCall = int (*)();
template <class F>
CyrusCall as_call(F* function) {
  return reinterpret_cast<CyrusCall>(reinterpret_cast<void (*)()>(function));
}

int log_line(void* context, int level, const char* text) {
  static_cast<Lines*>(context)->add(level, text);
  return SASL_OK;
}

int tell_path(void* context, char** path) {
  *path = static_cast<std::string*>(context)->data();
  return SASL_OK;
}

// Where saslauthd is when it stands in the jail that smtpd has elsewhere
// (saslauthd -m /var/spool/postfix/var/run/saslauthd), and nothing is said of
// it in the library's own file.
constexpr const char* usual_saslauthd = "/var/run/saslauthd/mux";

int tell_option(void* context, const char*, const char* option,
                const char** result, unsigned* size) {
  const auto* jailed = static_cast<const std::string*>(context);
  if (std::string_view(option) != "saslauthd_path" || jailed->empty() ||
      os::exists(usual_saslauthd) || !os::exists(*jailed))
    return SASL_FAIL;
  *result = jailed->c_str();
  if (size != nullptr) *size = static_cast<unsigned>(jailed->size());
  return SASL_OK;
}

void* make_mutex() { return new std::mutex; }
int lock_mutex(void* mutex) {
  static_cast<std::mutex*>(mutex)->lock();
  return SASL_OK;
}
int unlock_mutex(void* mutex) {
  static_cast<std::mutex*>(mutex)->unlock();
  return SASL_OK;
}
void free_mutex(void* mutex) { delete static_cast<std::mutex*>(mutex); }

// One conversation with the library.
class Talk {
 public:
  explicit Talk(std::string jailed) : jailed_(std::move(jailed)) {
    callbacks_[0] = {SASL_CB_LOG, as_call(log_line), &lines_};
    callbacks_[1] = {SASL_CB_GETOPT, as_call(tell_option), &jailed_};
    callbacks_[2] = {SASL_CB_LIST_END, nullptr, nullptr};
  }
  ~Talk() { sasl_dispose(&connection_); }
  Talk(const Talk&) = delete;
  Talk& operator=(const Talk&) = delete;

  int open(const std::string& service, const std::string& host,
           const std::string& realm) {
    const int code = sasl_server_new(
        service.c_str(), host.c_str(), realm.empty() ? nullptr : realm.c_str(),
        nullptr, nullptr, callbacks_, 0, &connection_);
    return code != SASL_OK ? code : restrict_to(0);
  }

  // Without security layers, and with mechanisms of these properties alone.
  int restrict_to(unsigned flags) {
    sasl_security_properties_t properties{};
    properties.security_flags = flags;
    return sasl_setprop(connection_, SASL_SEC_PROPS, &properties);
  }

  std::vector<std::string> list(unsigned flags) {
    const char* text = nullptr;
    if (restrict_to(flags) != SASL_OK ||
        sasl_listmech(connection_, nullptr, "", " ", "", &text, nullptr,
                      nullptr) != SASL_OK)
      return {};
    return split_words(text, " ");
  }

  sasl_conn_t* connection() { return connection_; }
  std::vector<Line> take_lines() { return lines_.take(); }

 private:
  std::string jailed_;
  Lines lines_;
  sasl_callback_t callbacks_[3];
  sasl_conn_t* connection_ = nullptr;
};

bool has(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

struct Property {
  unsigned flag;
  const char* name;
  bool when_listed;  // under the flag alone
};
constexpr Property properties[] = {
    {SASL_SEC_NOPLAINTEXT, "plaintext", false},
    {SASL_SEC_NODICTIONARY, "dictionary", false},
    {SASL_SEC_NOACTIVE, "active", false},
    {SASL_SEC_NOANONYMOUS, "anonymous", false},
    {SASL_SEC_FORWARD_SECRECY, "forward-secrecy", true},
    {SASL_SEC_MUTUAL_AUTH, "mutual-auth", true},
};

// The library knows the properties of mechanisms, but tells them only by what
// it lists.
std::vector<MechanismOffer> offers_of(Talk& talk) {
  std::vector<MechanismOffer> offers;
  for (const std::string& name : talk.list(0))
    // Those need binding data that we do not give it.
    if (!name.ends_with("-PLUS")) offers.push_back({name, {}});
  for (const Property& each : properties) {
    const std::vector<std::string> listed = talk.list(each.flag);
    for (MechanismOffer& offer : offers)
      if (has(listed, offer.name) == each.when_listed)
        offer.flags.push_back(each.name);
  }
  return offers;
}

// What a step in a thread gives.
struct Step {
  int code = SASL_FAIL;
  std::string output;
  std::string user;
  std::string detail;
  std::vector<Line> lines;
};

Step finish_step(Talk& talk, int code, const char* output, unsigned size) {
  Step step;
  step.code = code;
  if (output != nullptr) step.output.assign(output, size);
  const void* user = nullptr;
  if (code == SASL_OK &&
      sasl_getprop(talk.connection(), SASL_USERNAME, &user) == SASL_OK &&
      user != nullptr)
    step.user = static_cast<const char*>(user);
  if (code != SASL_OK && code != SASL_CONTINUE)
    step.detail = sasl_errdetail(talk.connection());
  step.lines = talk.take_lines();
  return step;
}

Step begin_step(Talk& talk, const std::string& service,
                const std::string& host, const std::string& realm,
                const std::string& mechanism,
                const std::optional<std::string>& response) {
  Step step;
  step.code = talk.open(service, host, realm);
  if (step.code != SASL_OK) {
    step.detail = sasl_errstring(step.code, nullptr, nullptr);
    step.lines = talk.take_lines();
    return step;
  }
  const char* output = nullptr;
  unsigned size = 0;
  const int code = sasl_server_start(
      talk.connection(), mechanism.c_str(),
      response ? response->c_str() : nullptr,
      response ? static_cast<unsigned>(response->size()) : 0, &output, &size);
  return finish_step(talk, code, output, size);
}

Step next_step(Talk& talk, const std::string& response) {
  const char* output = nullptr;
  unsigned size = 0;
  const int code = sasl_server_step(talk.connection(), response.c_str(),
                                    static_cast<unsigned>(response.size()),
                                    &output, &size);
  return finish_step(talk, code, output, size);
}

// Who is wrong: the client, or the machine?
bool is_refusal(int code) {
  for (const int each :
       {SASL_BADAUTH, SASL_NOUSER, SASL_BADPROT, SASL_BADMAC, SASL_NOAUTHZ,
        SASL_TOOWEAK, SASL_ENCRYPT, SASL_TRANS, SASL_EXPIRED, SASL_DISABLED,
        SASL_NOVERIFY, SASL_NOMECH, SASL_WEAKPASS, SASL_PWLOCK})
    if (code == each) return true;
  return false;
}

// Who it is that logs in, as far as a response says so: for the log and the
// counters, where the library does not tell because it refuses.
std::string claimed_name(const std::string& mechanism,
                         const std::string& response) {
  if (mechanism == "PLAIN") {
    const std::optional<PlainMessage> message = plain_message(response);
    return message ? message->user : "";
  }
  if (mechanism == "LOGIN") return response;
  if (mechanism == "CRAM-MD5") return response.substr(0, response.rfind(' '));
  return {};
}

class Library final : public Cyrus {
 public:
  Library(const CyrusSettings& settings, Workers& workers, Workers& lookups,
          log::Log log)
      : settings_(settings),
        workers_(workers),
        lookups_(lookups),
        log_(std::move(log)) {}

  int init() {
    callbacks_[0] = {SASL_CB_LOG, as_call(log_line), &lines_};
    callbacks_[1] = {SASL_CB_GETCONFPATH, as_call(tell_path),
                     &settings_.directories};
    callbacks_[2] = {SASL_CB_LIST_END, nullptr, nullptr};
    sasl_set_mutex(make_mutex, lock_mutex, unlock_mutex, free_mutex);
    const int code =
        sasl_server_init(callbacks_, settings_.application.c_str());
    tell({});
    return code;
  }
  std::shared_ptr<Backend> backend(std::string realm,
                                   std::string host) override;

  const std::string& jailed_saslauthd() const {
    return settings_.jailed_saslauthd;
  }
  Millis limit() const { return settings_.limit; }
  Workers& workers() { return workers_; }
  Workers& lookups() { return lookups_; }
  void tell(const std::vector<Line>& lines) {
    for (const auto& [level, text] : lines_.take()) tell(level, text);
    for (const auto& [level, text] : lines) tell(level, text);
  }

 private:
  // Without a log_level, what asks for a look.
  void tell(int level, const std::string& text) const {
    const int most =
        settings_.log_level < 0 ? SASL_LOG_WARN : settings_.log_level;
    if (level > most || level == SASL_LOG_PASS) return;
    switch (level) {
      case SASL_LOG_ERR:
        return log_.warning("SASL authentication error: " + text);
      case SASL_LOG_FAIL:
        return log_.warning("SASL authentication failure: " + text);
      case SASL_LOG_WARN:
        return log_.warning("SASL authentication problem: " + text);
      default: return log_.info("SASL authentication info: " + text);
    }
  }

  CyrusSettings settings_;
  Workers& workers_;
  Workers& lookups_;
  log::Log log_;
  Lines lines_;
  sasl_callback_t callbacks_[3];
};

class CyrusBackend final : public Backend {
 public:
  CyrusBackend(Library& library, std::string realm, std::string host)
      : library_(library), realm_(std::move(realm)), host_(std::move(host)) {}

  Task<std::vector<MechanismOffer>> mechanisms() override;
  Task<Outcome> run(Exchange* exchange) override;

 private:
  Outcome outcome_of(const Step& step) const;
  Library& library_;
  std::string realm_;
  std::string host_;
};

std::shared_ptr<Backend> Library::backend(std::string realm,
                                          std::string host) {
  return std::make_shared<CyrusBackend>(*this, std::move(realm),
                                        std::move(host));
}

Task<std::vector<MechanismOffer>> CyrusBackend::mechanisms() {
  Workers::Job<std::vector<MechanismOffer>> job(
      library_.lookups(), "",
      [host = host_, realm = realm_, jailed = library_.jailed_saslauthd()] {
        Talk talk(jailed);
        if (talk.open("smtp", host, realm) != SASL_OK)
          return std::vector<MechanismOffer>();
        return offers_of(talk);
      });
  if (!job.accepted()) co_return std::vector<MechanismOffer>();
  const bool in_time = co_await job.wait(library_.limit());
  if (!in_time) co_return std::vector<MechanismOffer>();
  co_return job.take();
}

Outcome CyrusBackend::outcome_of(const Step& step) const {
  Outcome outcome;
  outcome.backend = "cyrus";
  outcome.user = step.user;
  outcome.why = step.detail;
  if (step.code == SASL_OK) {
    outcome.kind = Outcome::Kind::good;
    outcome.last = step.output;
    return outcome;
  }
  outcome.kind = is_refusal(step.code) ? Outcome::Kind::refused
                                       : Outcome::Kind::unavailable;
  // That there is no such user is not told.
  const int told = step.code == SASL_NOUSER ? SASL_BADAUTH : step.code;
  outcome.reason = sasl_errstring(told, nullptr, nullptr);
  return outcome;
}

Task<Outcome> CyrusBackend::run(Exchange* exchange) {
  const auto talk = std::make_shared<Talk>(library_.jailed_saslauthd());
  // By its first response, a mechanism whose client speaks first is quicker.
  std::optional<std::string> response = exchange->line().response;
  const std::string service = exchange->session().service;
  const std::string mechanism = exchange->line().mechanism;
  std::string claimed;
  bool named = false;
  bool first = true;
  for (;;) {
    Step step;
    {
      Workers::Job<Step> job(
          library_.workers(), exchange->client(),
          [talk, first, service, mechanism, response, host = host_,
           realm = realm_] {
            return first ? begin_step(*talk, service, host, realm, mechanism,
                                      response)
                         : next_step(*talk, *response);
          });
      if (!job.accepted()) co_return unavailable("too many log-ins wait");
      const bool in_time = co_await job.wait(library_.limit());
      if (!in_time)
        co_return unavailable("the Cyrus library took too long");
      step = job.take();
    }
    first = false;
    library_.tell(step.lines);
    // The first response alone: what follows an empty name is a password.
    if (response && !std::exchange(named, true))
      claimed = claimed_name(mechanism, *response);
    if (step.code != SASL_CONTINUE) {
      Outcome outcome = outcome_of(step);
      if (outcome.user.empty()) outcome.user = claimed;
      co_return std::move(outcome);
    }
    response = co_await exchange->ask(step.output);
    if (!response) co_return gone();
  }
}

}  // namespace

Result<std::unique_ptr<Cyrus>> Cyrus::start(const CyrusSettings& settings,
                                            Workers& workers,
                                            Workers& lookups, log::Log log) {
  auto library = std::make_unique<Library>(settings, workers, lookups,
                                           std::move(log));
  const int code = library->init();
  if (code != SASL_OK)
    return give_up("3.5", std::string("the Cyrus library does not start: ") +
                              sasl_errstring(code, nullptr, nullptr));
  return std::unique_ptr<Cyrus>(std::move(library));
}

}  // namespace postern::authd
