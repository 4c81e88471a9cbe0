// memcache: tables: values in a memcached server, with another table behind it
// that knows better. memcache_table(5).
#include <thread>

#include "common/base/text.h"
#include "common/databases/dial.h"
#include "common/databases/openers.h"
#include "common/databases/query.h"
#include "common/databases/replies.h"

namespace postern::databases {
namespace {

using tables::Found;

class MemcacheTable : public tables::Table {
 public:
  explicit MemcacheTable(std::string name) : Table(std::move(name)) {}

  Status open(const Context& context) {
    Result<Settings> read = Settings::read(context.spec, context.main);
    if (!read) return read.trouble();
    Settings& settings = *read;
    const std::string server =
        settings.text("memcache", "inet:localhost:11211", 1);
    Result<Endpoint> endpoint = Endpoint::parse(server, true);
    if (endpoint)
      endpoint_ = std::move(*endpoint);
    else
      settings.refuse("memcache", endpoint.trouble().text);
    read_template(settings, "key_format", settings.text("key_format", "%s", 1),
                  "query", key_format_);
    plan_.read(settings, context.options);
    flags_ = settings.number("flags", 0);
    lifetime_ = settings.number("ttl", 3600);
    largest_ = settings.number("data_size_limit", 10240, 1);
    longest_line_ = settings.number("line_size_limit", 1024, 1);
    most_tries_ = settings.number("max_try", 2, 1);
    pause_ = std::chrono::seconds(settings.number("retry_pause", 1));
    limit_ = std::chrono::seconds(settings.number("timeout", 2, 1));
    const std::string backup = settings.text("backup", "");
    if (Status good = settings.status(); !good.ok()) return good;
    settings.warn_unused(context.options.warn);
    if (backup.empty()) return {};
    tables::OpenOptions options = context.options;
    options.default_type.clear();
    auto opened = tables::open(backup, options);
    if (!opened) return opened.trouble();
    backup_ = std::move(*opened);
    return {};
  }

  Status for_each(const Visit& visit) override {
    if (backup_) return backup_->for_each(visit);
    warn("database " + name() +
         ": first/next support requires backup database");
    return {};
  }

  Status put(std::string_view key, std::string_view value) override {
    const std::string stored(key);
    const Result<bool> concerned = concerns(stored);
    if (!concerned) return concerned.trouble();
    if (!*concerned) {
      warn("database " + name() + ": skipping update for key \"" +
           printable_utf8(key) + "\": domain mismatch or key_format");
      return {};
    }
    return store(stored, value);
  }

  Result<bool> remove(std::string_view key) override {
    const std::string stored(key);
    const Result<bool> concerned = concerns(stored);
    if (!concerned) return concerned.trouble();
    if (!*concerned) return false;
    return erase(stored);
  }

 protected:
  Found look_up(std::string_view text) override {
    const std::string key(text);
    const Result<bool> concerned = concerns(key);
    if (!concerned) return concerned.trouble();
    if (!*concerned) return std::optional<std::string>();
    Found cached = get(key);
    if (cached && *cached) return cached;
    if (!backup_) {
      if (cached) return cached;
      return try_later("3.0", "table " + name() +
                                  ": query error: " + cached.trouble().text);
    }
    Found found = backup_->find(key);
    // A cache that is out of order does not matter here, and is not told of
    // what it would not hear.
    if (found && *found && cached) (void)store(key, **found);
    return found;
  }

 private:
  Result<bool> concerns(const std::string& key) {
    const Parts parts(key);
    if (!key_format_.fits_as_query(parts)) return false;
    const Result<bool> concerned = plan_.concerns(parts);
    if (!concerned || !*concerned) return concerned;
    return valid_memcache_key(key_format_.query(parts, nullptr));
  }

  std::string server_key(const std::string& key) const {
    return key_format_.query(Parts(key), nullptr);
  }

  // Runs one command; again after a pause when the conversation broke, but
  // not when the server accepts no connection.
  template <class T, class Step>
  Result<T> talk(const Step& step) {
    std::string why;
    for (std::int64_t i = 0; i < most_tries_; ++i) {
      const bool reused = dialogue_ && dialogue_->idle();
      if (!reused) {
        dialogue_.reset();
        Result<Dialogue> opened = Dialogue::open(endpoint_, limit_);
        if (!opened) {
          why = "connect to " + endpoint_.text() + ": " + opened.trouble().text;
          break;
        }
        dialogue_.emplace(std::move(*opened));
      }
      Result<T> done = step();
      if (done) return done;
      dialogue_.reset();
      why = "database " + name() + ": " + done.trouble().text;
      if (!reused && i + 1 < most_tries_) std::this_thread::sleep_for(pause_);
    }
    warn(why);
    return try_later("3.0", why);
  }

  Result<std::string> line() {
    return dialogue_->line(static_cast<std::size_t>(longest_line_), limit_);
  }

  Found get(const std::string& key) {
    const std::string name = server_key(key);
    return talk<std::optional<std::string>>([&]() -> Found {
      const Status sent = dialogue_->send("get " + name + "\r\n", limit_);
      if (!sent.ok()) return sent.trouble();
      const Result<std::string> reply = line();
      if (!reply) return reply.trouble();
      const auto head = read_memcache_head(*reply, name);
      if (!head)
        return try_later("3.0", "unexpected reply: " + printable_utf8(*reply));
      if (!head->found) return std::optional<std::string>();
      if (head->bytes > static_cast<std::size_t>(largest_))
        return try_later("3.0", "a value longer than data_size_limit");
      const Result<std::string> value =
          dialogue_->bytes(head->bytes + 2, limit_);
      if (!value) return value.trouble();
      const Result<std::string> end = line();
      if (!end) return end.trouble();
      if (!value->ends_with("\r\n") || *end != "END")
        return try_later("3.0", "a reply without end");
      return std::optional(value->substr(0, head->bytes));
    });
  }

  Status store(const std::string& key, std::string_view value) {
    const std::string command =
        "set " + server_key(key) + " " + std::to_string(flags_) + " " +
        std::to_string(lifetime_) + " " + std::to_string(value.size()) +
        "\r\n" + std::string(value) + "\r\n";
    const Result<bool> stored = talk<bool>([&]() -> Result<bool> {
      const Status sent = dialogue_->send(command, limit_);
      if (!sent.ok()) return sent.trouble();
      const Result<std::string> reply = line();
      if (!reply) return reply.trouble();
      if (*reply == "STORED") return true;
      return try_later("3.0", "update failed: " + printable_utf8(*reply));
    });
    if (!stored) return stored.trouble();
    return {};
  }

  Result<bool> erase(const std::string& key) {
    return talk<bool>([&]() -> Result<bool> {
      const Status sent =
          dialogue_->send("delete " + server_key(key) + "\r\n", limit_);
      if (!sent.ok()) return sent.trouble();
      const Result<std::string> reply = line();
      if (!reply) return reply.trouble();
      if (*reply == "DELETED") return true;
      if (*reply == "NOT_FOUND") return false;
      return try_later("3.0", "delete failed: " + printable_utf8(*reply));
    });
  }

  Endpoint endpoint_;
  Template key_format_;
  Plan plan_;
  std::int64_t flags_ = 0;
  std::int64_t lifetime_ = 3600;
  std::int64_t largest_ = 10240;
  std::int64_t longest_line_ = 1024;
  std::int64_t most_tries_ = 2;
  Dialogue::Limit pause_{1000};
  Dialogue::Limit limit_{2000};
  std::unique_ptr<tables::Table> backup_;
  std::optional<Dialogue> dialogue_;
};

}  // namespace

Opened open_memcache(const Context& context) {
  auto table = std::make_unique<MemcacheTable>(context.spec.text());
  const Status opened = table->open(context);
  if (!opened.ok()) return opened.trouble();
  return Opened(std::move(table));
}

}  // namespace postern::databases
