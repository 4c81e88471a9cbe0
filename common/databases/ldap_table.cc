// ldap: tables: entries of a directory. ldap_table(5). All calls are the
// library's asynchronous ones, with a limit on the wait for the answer.
#include <ldap.h>
#include <strings.h>
#include <sys/time.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/databases/ldap_settings.h"
#include "common/databases/openers.h"

namespace postern::databases {
namespace {

struct Close {
  void operator()(LDAP* connection) const {
    ldap_unbind_ext_s(connection, nullptr, nullptr);
  }
};
struct FreeMessage {
  void operator()(LDAPMessage* message) const { ldap_msgfree(message); }
};
struct FreeUrl {
  void operator()(LDAPURLDesc* url) const { ldap_free_urldesc(url); }
};
struct FreeText {
  void operator()(char* text) const { ldap_memfree(text); }
};
struct FreeBer {
  void operator()(BerElement* ber) const { ber_free(ber, 0); }
};
struct FreeValues {
  void operator()(berval** values) const { ldap_value_free_len(values); }
};
using Connection = std::unique_ptr<LDAP, Close>;
using Message = std::unique_ptr<LDAPMessage, FreeMessage>;
using Url = std::unique_ptr<LDAPURLDesc, FreeUrl>;
using Name = std::unique_ptr<char, FreeText>;
using Cursor = std::unique_ptr<BerElement, FreeBer>;
using BerValues = std::unique_ptr<berval*, FreeValues>;

// A lost directory is not asked again for so long: all who wait for an answer
// would wait for the same time limit one after the other.
constexpr std::chrono::seconds rest{2};

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& one) {
    return equal_nocase(one, name);
  });
}

struct Search {
  std::string base;
  int scope = LDAP_SCOPE_SUBTREE;
  std::string filter;
  std::vector<std::string> attributes;
};

class LdapTable : public tables::Table {
 public:
  LdapTable(const Context& context, LdapSettings settings)
      : Table(context.spec.text()),
        settings_(std::move(settings)),
        health_(context.health) {
    for (const auto* list : {&settings_.plain, &settings_.special,
                             &settings_.terminal, &settings_.leaf})
      for (const std::string& name : *list)
        if (!contains(attributes_, name)) attributes_.push_back(name);
  }

 protected:
  tables::Found look_up(std::string_view key) override {
    const Parts parts(key);
    const Result<bool> concerned = settings_.plan.concerns(parts);
    if (!concerned) return concerned.trouble();
    if (!*concerned || !settings_.filter.fits_as_query(parts) ||
        !settings_.base.fits_as_query(parts))
      return std::optional<std::string>();
    const Search search{settings_.base.query(parts, ldap_dn_value),
                        settings_.scope,
                        settings_.filter.query(parts, ldap_filter_value),
                        attributes_};
    const bool was_connected = connection_ != nullptr;
    Status done = attempt(search, parts);
    // Lost while it lay idle: that says nothing about the directory.
    if (!done.ok() && was_connected && connection_ == nullptr)
      done = attempt(search, parts);
    if (!done.ok()) return query_error(done.trouble().text);
    return answer_->found(name());
  }

 private:
  Trouble query_error(const std::string& why) const {
    return try_later("3.0", "table " + name() + ": query error: " + why);
  }

  Status attempt(const Search& search, const Parts& key) {
    answer_.emplace(settings_.plan, key);
    if (!connection_) {
      const Status connected = connect();
      if (!connected.ok()) return connected;
    }
    return expand(search, 0);
  }

  // --- the connection ---

  template <class Value>
  bool option(int which, const Value& value) {
    return ldap_set_option(connection_.get(), which, &value) ==
           LDAP_OPT_SUCCESS;
  }

  timeval limit() const {
    timeval time{};
    time.tv_sec = settings_.timeout;
    return time;
  }

  Status lost(const std::string& text) {
    connection_.reset();
    health_->failed(name(), Clock::now());
    warn(text);
    return try_later("3.0", text);
  }

  Status connect() {
    if (health_->rests(name(), rest, Clock::now()))
      return try_later("3.0", "no connection to " + settings_.uris +
                                  ", tried a moment ago");
    LDAP* raw = nullptr;
    const int made = ldap_initialize(&raw, settings_.uris.c_str());
    connection_.reset(raw);
    if (made != LDAP_SUCCESS)
      return lost("dict_ldap_connect: Unable to init LDAP server " +
                  settings_.uris + ": " + ldap_err2string(made));
    set_options();
    if (settings_.start_tls) {
      const int started =
          ldap_start_tls_s(connection_.get(), nullptr, nullptr);
      if (started != LDAP_SUCCESS)
        return lost("dict_ldap_connect: Unable to set STARTTLS: " +
                    described(started));
    }
    if (!settings_.bind) return {};
    const int bound = bind();
    if (bound == LDAP_SUCCESS) {
      health_->well(name());
      return {};
    }
    return lost("dict_ldap_connect: Unable to bind to server " +
                settings_.uris + " with dn " +
                (settings_.bind_dn.empty() ? "empty or implicit"
                                           : settings_.bind_dn) +
                ": " + std::to_string(bound) + " (" + described(bound) + ")");
  }

  void set_options() {
    const timeval time = limit();
    option(LDAP_OPT_PROTOCOL_VERSION, settings_.version);
    option(LDAP_OPT_NETWORK_TIMEOUT, time);
    option(LDAP_OPT_TIMEOUT, time);
    option(LDAP_OPT_DEREF, settings_.dereference);
    const auto size_limit = static_cast<int>(settings_.size_limit);
    option(LDAP_OPT_SIZELIMIT, size_limit);
    ldap_set_option(connection_.get(), LDAP_OPT_REFERRALS,
                    settings_.chase_referrals ? LDAP_OPT_ON : LDAP_OPT_OFF);
    if (settings_.debug_level > 0)
      ldap_set_option(nullptr, LDAP_OPT_DEBUG_LEVEL, &settings_.debug_level);
    if (settings_.tls_configured()) set_tls_options();
  }

  void set_tls_options() {
    const auto text = [&](int which, const std::string& value) {
      if (!value.empty())
        ldap_set_option(connection_.get(), which, value.c_str());
    };
    text(LDAP_OPT_X_TLS_CACERTFILE, settings_.tls_ca_file);
    text(LDAP_OPT_X_TLS_CACERTDIR, settings_.tls_ca_directory);
    text(LDAP_OPT_X_TLS_CERTFILE, settings_.tls_certificate);
    text(LDAP_OPT_X_TLS_KEYFILE, settings_.tls_key);
    text(LDAP_OPT_X_TLS_RANDOM_FILE, settings_.tls_random_file);
    text(LDAP_OPT_X_TLS_CIPHER_SUITE, settings_.tls_ciphers);
    const int require = settings_.tls_require_certificate
                            ? LDAP_OPT_X_TLS_DEMAND
                            : LDAP_OPT_X_TLS_NEVER;
    option(LDAP_OPT_X_TLS_REQUIRE_CERT, require);
    // The settings above count for contexts that are made after them.
    const int client = 0;
    option(LDAP_OPT_X_TLS_NEWCTX, client);
  }

  std::string described(int code) const {
    char* more = nullptr;
    ldap_get_option(connection_.get(), LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    const Name text(more);
    std::string all = ldap_err2string(code);
    if (text && *text.get() != '\0') all += ", " + printable_utf8(text.get());
    return all;
  }

  int error_of_connection() const {
    int code = LDAP_OTHER;
    ldap_get_option(connection_.get(), LDAP_OPT_RESULT_CODE, &code);
    return code;
  }

  // The answer to the question `id`; a code of the library in `code` when
  // there is none.
  Message wait(int id, int& code) {
    timeval time = limit();
    LDAPMessage* raw = nullptr;
    const int type =
        ldap_result(connection_.get(), id, LDAP_MSG_ALL, &time, &raw);
    Message message(raw);
    if (type == 0) {
      ldap_abandon_ext(connection_.get(), id, nullptr, nullptr);
      code = LDAP_TIMEOUT;
      return nullptr;
    }
    if (type < 0) {
      code = error_of_connection();
      return nullptr;
    }
    const int parsed =
        ldap_parse_result(connection_.get(), raw, &code, nullptr, nullptr,
                          nullptr, nullptr, 0);
    if (parsed != LDAP_SUCCESS) code = parsed;
    return message;
  }

  int bind() {
    berval password{};
    password.bv_val = settings_.bind_password.data();
    password.bv_len = settings_.bind_password.size();
    int id = 0;
    int code =
        ldap_sasl_bind(connection_.get(), settings_.bind_dn.c_str(),
                       LDAP_SASL_SIMPLE, &password, nullptr, nullptr, &id);
    if (code != LDAP_SUCCESS) return code;
    (void)wait(id, code);
    return code;
  }

  // --- searches ---

  Message run(const Search& search, int& code) {
    std::vector<char*> names;
    for (const std::string& name : search.attributes)
      names.push_back(const_cast<char*>(name.c_str()));
    names.push_back(nullptr);
    timeval time = limit();
    int id = 0;
    code = ldap_search_ext(connection_.get(), search.base.c_str(), search.scope,
                           search.filter.c_str(), names.data(), 0, nullptr,
                           nullptr, &time,
                           static_cast<int>(settings_.size_limit), &id);
    if (code != LDAP_SUCCESS) return nullptr;
    return wait(id, code);
  }

  Status expand(const Search& search, std::int64_t depth) {
    if (depth > settings_.recursion_limit)
      return failed("Recursion limit exceeded");
    int code = LDAP_SUCCESS;
    const Message message = run(search, code);
    switch (code) {
      case LDAP_SUCCESS:
        return entries(message.get(), depth);
      case LDAP_NO_SUCH_OBJECT:
        return missing(search, depth);
      case LDAP_SIZELIMIT_EXCEEDED:
        return failed("Size limit exceeded");
      case LDAP_FILTER_ERROR:
        return failed("bad search filter: " + search.filter);
      case LDAP_SERVER_DOWN:
      case LDAP_TIMEOUT:
      case LDAP_CONNECT_ERROR:
      case LDAP_UNAVAILABLE:
      case LDAP_BUSY:
        return lost("dict_ldap_lookup: Search error " + std::to_string(code) +
                    ": " + described(code));
      default:
        return failed("Search error " + std::to_string(code) + ": " +
                      described(code));
    }
  }

  Status failed(const std::string& what) {
    warn(name() + ": " + what);
    return try_later("3.0", what);
  }

  Status missing(const Search& search, std::int64_t depth) {
    if (depth > 0) {
      warn(name() + ": DN " + search.base + " not found, skipping");
      return {};
    }
    // A base made from the key: nobody with such a key.
    if (!settings_.base.constant()) return {};
    return failed("Search base '" + search.base + "' not found");
  }

  Status entries(LDAPMessage* all, std::int64_t depth) {
    for (LDAPMessage* entry = ldap_first_entry(connection_.get(), all);
         entry != nullptr;
         entry = ldap_next_entry(connection_.get(), entry)) {
      const Status done = one_entry(entry, depth);
      if (!done.ok()) return done;
    }
    return {};
  }

  struct Attribute {
    std::string name;
    std::vector<std::string> values;
  };
  std::vector<Attribute> attributes_of(LDAPMessage* entry) const {
    std::vector<Attribute> all;
    BerElement* raw = nullptr;
    Name name(ldap_first_attribute(connection_.get(), entry, &raw));
    const Cursor cursor(raw);
    while (name) {
      const BerValues values(
          ldap_get_values_len(connection_.get(), entry, name.get()));
      Attribute one{name.get(), {}};
      for (berval** at = values.get(); at != nullptr && *at != nullptr; ++at)
        one.values.emplace_back((*at)->bv_val, (*at)->bv_len);
      all.push_back(std::move(one));
      name.reset(ldap_next_attribute(connection_.get(), entry, cursor.get()));
    }
    return all;
  }

  Status one_entry(LDAPMessage* entry, std::int64_t depth) {
    const std::vector<Attribute> attributes = attributes_of(entry);
    const auto any = [&](const std::vector<std::string>& names) {
      return std::any_of(attributes.begin(), attributes.end(),
                         [&](const Attribute& one) {
                           return !one.values.empty() &&
                                  contains(names, one.name);
                         });
    };
    const bool terminal = any(settings_.terminal);
    const bool group = !terminal && any(settings_.special);
    for (const Attribute& one : attributes) {
      if (terminal && !contains(settings_.terminal, one.name)) continue;
      const bool special = contains(settings_.special, one.name);
      const bool leaf = contains(settings_.leaf, one.name) &&
                        !contains(settings_.plain, one.name);
      if (group && leaf && !special) continue;
      for (const std::string& value : one.values) {
        const Status done = special && !terminal
                                ? follow(value, depth)
                                : add(value);
        if (!done.ok()) return done;
      }
    }
    return {};
  }

  Status add(const std::string& value) {
    if (answer_->add(value)) return {};
    return failed("Expansion limit exceeded");
  }

  // A value that is a DN or a URL (RFC 4516).
  Status follow(const std::string& value, std::int64_t depth) {
    if (ldap_is_ldap_url(value.c_str()) == 0)
      return expand({value, LDAP_SCOPE_BASE, "(objectclass=*)", attributes_},
                    depth + 1);
    LDAPURLDesc* raw = nullptr;
    const int parsed = ldap_url_parse(value.c_str(), &raw);
    const Url url(raw);
    if (parsed != LDAP_URL_SUCCESS) {
      warn(name() + ": malformed URL " + printable_utf8(value) +
           ", skipping");
      return {};
    }
    Search search{url->lud_dn ? url->lud_dn : "",
                  url->lud_scope == LDAP_SCOPE_DEFAULT ? LDAP_SCOPE_BASE
                                                       : url->lud_scope,
                  url->lud_filter ? url->lud_filter : "(objectclass=*)",
                  {}};
    if (url->lud_attrs == nullptr) search.attributes = attributes_;
    for (char** at = url->lud_attrs; at != nullptr && *at != nullptr; ++at)
      if (contains(attributes_, *at)) search.attributes.emplace_back(*at);
    if (search.attributes.empty()) {
      warn(name() + ": URL " + printable_utf8(value) +
           " selects no attribute of this table, skipping");
      return {};
    }
    return expand(search, depth + 1);
  }

  LdapSettings settings_;
  std::shared_ptr<Health> health_;
  std::vector<std::string> attributes_;
  Connection connection_;
  std::optional<Answer> answer_;
};

}  // namespace

Opened open_ldap(const Context& context) {
  Result<Settings> settings = Settings::read(context.spec, context.main);
  if (!settings) return settings.trouble();
  LdapSettings ldap = LdapSettings::read(*settings, context.options);
  if (Status read = settings->status(); !read.ok()) return read.trouble();
  settings->warn_unused(context.options.warn);
  for (const std::string& uri : split_words(ldap.uris)) {
    LDAPURLDesc* raw = nullptr;
    const int parsed = ldap_url_parse(uri.c_str(), &raw);
    const Url url(raw);
    if (parsed != LDAP_URL_SUCCESS ||
        (url->lud_dn != nullptr && *url->lud_dn != '\0'))
      return give_up("3.5", settings->title() + ": bad LDAP URL: " + uri);
  }
  return Opened(std::make_unique<LdapTable>(context, std::move(ldap)));
}

}  // namespace postern::databases
