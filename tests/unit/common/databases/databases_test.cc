#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <thread>

#include "common/databases/dial.h"
#include "common/databases/ldap_settings.h"
#include "common/databases/open.h"
#include "common/databases/query.h"
#include "common/databases/replies.h"
#include "common/databases/servers.h"
#include "common/databases/settings.h"
#include "common/databases/types.h"
#include "common/os/files.h"

namespace postern::databases {
namespace {

Settings settings_of(std::string_view text) {
  Result<Settings> settings = Settings::parse(text, "/x.cf");
  REQUIRE(settings);
  return std::move(*settings);
}

std::string problem(const Settings& settings) {
  const Status status = settings.status();
  return status.ok() ? "" : status.trouble().text;
}

// The value; "-" for none; "!text" for trouble.
std::string shown(const tables::Found& found) {
  if (!found) return "!" + found.trouble().text;
  return *found ? **found : "-";
}

TEST_CASE("a value that cannot be read is named with its file and line") {
  Settings settings = settings_of(
      "dbname = one\ndbname =\n two\n# no\nlimit = abc\nyes = YES\n"
      "flag = maybe\n");
  CHECK(settings.text("dbname", "") == "two");
  CHECK(settings.text("none", "fallback") == "fallback");
  CHECK(settings.boolean("yes", false));
  CHECK(problem(settings).empty());
  CHECK(settings.number("limit", 7) == 7);
  CHECK(settings.boolean("flag", true));
  CHECK(problem(settings) ==
        "/x.cf, line 5: bad numerical configuration: limit = abc");
  Settings other = settings_of("a = 5\n");
  CHECK(other.number("a", 0, 6) == 5);
  CHECK(problem(other) == "/x.cf, line 1: invalid a = 5: it is below 6");
  Settings third = settings_of("");
  (void)third.text("dbname", "", 1);
  CHECK(problem(third) == "/x.cf: bad string length 0 < 1: dbname = ");
}

TEST_CASE("names that nobody asked for are told") {
  Settings settings = settings_of("a = 1\nb = 2\n");
  (void)settings.text("a", "");
  std::vector<std::string> lines;
  settings.warn_unused([&](std::string_view line) { lines.emplace_back(line); });
  CHECK(lines ==
        std::vector<std::string>{"/x.cf, line 2: unused parameter: b=2"});
}

TEST_CASE("parameters may stand in main.conf under the table's name") {
  const Result<config::Config> main = config::Config::parse(
      "users_hosts = $base/x\nbase = host\nusers_timeout = x\nuser_a = 1\n",
      "/etc/p");
  REQUIRE(main);
  const auto spec = tables::parse_spec("mysql:users");
  Result<Settings> settings = Settings::read(*spec, &*main);
  REQUIRE(settings);
  CHECK(settings->text("hosts", "") == "host/x");
  CHECK(settings->number("timeout", 3) == 3);
  CHECK(problem(*settings) ==
        "/etc/p/main.conf, line 3: bad numerical configuration: "
        "users_timeout = x");
  (void)settings->text("dbname", "", 1);
}

TEST_CASE("a query asks for parts of its key") {
  struct Case {
    const char* text;
    const char* key;
    const char* query;  // "-": not asked
  };
  const Case cases[] = {
      {"%s", "a@b.c", "(a@b.c)"},
      {"x%%%u-%d", "a@b.c", "x%(a)-(b.c)"},
      {"%U%D%S", "a@b.c", "(a)(b.c)(a@b.c)"},
      {"%u", "a", "(a)"},
      {"%u", "@b", "-"},
      {"%d", "a", "-"},
      {"%d", "a@", "-"},
      {"%1.%2.%3", "a@m.b.c", "(c).(b).(m)"},
      {"%4", "a@m.b.c", "-"},
      {"%1", "a", "-"},
      {"%u", "a@b@c", "(a@b)"},
      {"all", "", "all"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.text, one.key);
    const auto made = Template::parse(one.text, "query");
    REQUIRE(made);
    const Parts key(one.key);
    const std::string got =
        made->fits_as_query(key)
            ? made->query(key,
                          [](std::string_view part) {
                            return "(" + std::string(part) + ")";
                          })
            : "-";
    CHECK(got == one.query);
  }
}

TEST_CASE("a result has parts of the value and of the key") {
  struct Case {
    const char* text;
    const char* key;
    const char* value;
    const char* result;  // "-": left out; "--": not even asked
  };
  const Case cases[] = {
      {"%s", "k", "v", "v"},          {"%s", "k", "", "-"},
      {"smtp:[%s]", "k", "h", "smtp:[h]"},
      {"%u at %d", "k", "a@b", "a at b"},
      {"%u", "k", "v", "v"},          {"%u", "k", "@b", "-"},
      {"%d", "k", "v", "-"},          {"%S=%s", "k@d", "v", "k@d=v"},
      {"%U%D%2", "k@d.e", "v", "kd.ed"},
      {"%D", "k", "v", "--"},         {"%3", "k@d.e", "v", "--"},
      {"%U", "@d", "v", "--"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.text, one.key, one.value);
    const auto made = Template::parse(one.text, "result");
    REQUIRE(made);
    const Parts key(one.key);
    std::string got;
    if (!made->fits_as_result(key)) got = "--";
    else if (!made->result(key, one.value, got)) got = "-";
    CHECK(got == one.result);
  }
}

TEST_CASE("a template with a letter that there is not is refused") {
  for (const char* text : {"%x", "a%", "%0", "% s"}) {
    CAPTURE(text);
    const auto made = Template::parse(text, "query");
    REQUIRE_FALSE(made);
    CHECK(made.trouble().text.starts_with("invalid query template: "));
  }
}

TEST_CASE("domain limits the keys to addresses in these domains") {
  Settings settings = settings_of("domain = one.test, !two.test three.test\n");
  Plan plan;
  plan.read(settings, {});
  REQUIRE(problem(settings).empty());
  struct Case {
    const char* key;
    bool concerned;
  };
  for (const Case& one : {Case{"a@one.test", true}, {"a@ONE.test", true},
                          {"a@two.test", false}, {"a@sub.one.test", false},
                          {"@one.test", false}, {"one.test", false},
                          {"a", false}}) {
    CAPTURE(one.key);
    const Result<bool> concerned = plan.concerns(Parts(one.key));
    REQUIRE(concerned);
    CHECK(*concerned == one.concerned);
  }
}

TEST_CASE("a list of domains that cannot say is no \"not found\"") {
  Settings settings = settings_of("domain = fail:x\n");
  Plan plan;
  plan.read(settings, {});
  CHECK_FALSE(plan.concerns(Parts("a@b.c")));
}

TEST_CASE("more values than the limit are no answer") {
  Settings settings = settings_of("expansion_limit = 2\n");
  Plan plan;
  plan.read(settings, {});
  const Parts key("k");
  Answer two(plan, key);
  CHECK(two.add("a"));
  CHECK(two.add(""));
  CHECK(two.add("b"));
  CHECK(shown(two.found("t:x")) == "a,b");
  CHECK_FALSE(two.add("c"));
  CHECK(shown(two.found("t:x")) ==
        "!table t:x: query error: Expansion limit exceeded for key: 'k'");
  CHECK(shown(Answer(plan, key).found("t:x")) == "-");
}

TEST_CASE("hosts are sockets, names and numbers") {
  const auto servers = parse_servers(
      "unix:/run/x inet:h:1, h2 [::1]:5 ::1 postgresql://a/b", true);
  REQUIRE(servers.size() == 6);
  CHECK(servers[0].socket == "/run/x");
  CHECK(servers[1].host == "h");
  CHECK(servers[1].port == "1");
  CHECK(servers[2].host == "h2");
  CHECK(servers[2].port.empty());
  CHECK(servers[3].host == "::1");
  CHECK(servers[3].port == "5");
  CHECK(servers[4].host == "::1");
  CHECK(servers[4].port.empty());
  CHECK(servers[5].uri == "postgresql://a/b");
}

TEST_CASE("servers that failed rest, and sockets come first") {
  const auto servers = parse_servers("a b unix:/c", false);
  Health health;
  const std::chrono::seconds interval(60);
  const Clock::time_point now = Clock::now();
  const auto texts = [&](Clock::time_point when) {
    std::vector<std::string> all;
    for (const Server& one : order_of_trial(servers, health, interval, when))
      all.push_back(one.text);
    return all;
  };
  CHECK(texts(now).size() == 3);
  CHECK(texts(now).front() == "unix:/c");
  health.failed("unix:/c", now);
  health.failed("a", now);
  CHECK(texts(now) == std::vector<std::string>{"b"});
  CHECK(texts(now + interval).size() == 3);
  health.failed("b", now);
  // None is left: nobody is asked, but for a short time only.
  CHECK(texts(now).empty());
  CHECK(texts(now + std::chrono::seconds(1)).size() == 3);
  health.well("a");
  CHECK(texts(now) == std::vector<std::string>{"a"});
}

TEST_CASE("a key cannot say more in a filter or a name than itself") {
  CHECK(ldap_filter_value("a*(b)\\") == "a\\2A\\28b\\29\\5C");
  CHECK(ldap_filter_value(std::string_view("\0", 1)) == "\\00");
  CHECK(ldap_dn_value("a,b=c+d;\"<>\\") == "a\\,b\\=c\\+d\\;\\\"\\<\\>\\\\");
  CHECK(ldap_dn_value(" #a ") == "\\ #a\\ ");
  CHECK(ldap_dn_value("#a") == "\\#a");
}

TEST_CASE("LDAP servers are hosts or URIs") {
  CHECK(ldap_uris("a b:1, ldaps://c", 389) ==
        "ldap://a:389 ldap://b:1 ldaps://c");
  CHECK(ldap_uris("[::1] [::1]:2", 389) == "ldap://[::1]:389 ldap://[::1]:2");
}

TEST_CASE("parameters of ldap: that mean nothing here are named") {
  struct Case {
    const char* text;
    const char* problem;
  };
  const Case cases[] = {
      {"bind = sasl\n",
       "/x.cf, line 1: bind = sasl is not supported; use \"bind = yes\" with "
       "bind_dn and bind_pw, protected by start_tls or ldaps:"},
      {"bind = perhaps\n",
       "/x.cf, line 1: unsupported bind mode: perhaps; use yes or no"},
      {"scope = all\n",
       "/x.cf, line 1: unrecognized value all specified for scope; use sub, "
       "one or base"},
      {"version = 2\nstart_tls = yes\n",
       "/x.cf, line 2: start_tls requires version 3"},
      {"result_attribute =\n",
       "/x.cf, line 1: no result attributes are specified"},
      {"result_filter = %x\n",
       "/x.cf, line 1: invalid result template: %x: there is no '%x'; write "
       "%% for a percent sign"},
      {"bind = none\nscope = one\nresult_filter = <%s>\n", ""},
      {"chase_referrals = 1\n", ""},
      {"chase_referrals = no\n", ""},
      {"chase_referrals = 2\n",
       "/x.cf, line 1: bad boolean configuration: chase_referrals = 2"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.text);
    Settings settings = settings_of(one.text);
    (void)LdapSettings::read(settings, {});
    CHECK(problem(settings) == one.problem);
  }
}

TEST_CASE("replies of tcp: tables") {
  CHECK(tcp_encode("a b%\xff\x01") == "a%20b%25%FF%01");
  struct Case {
    const char* line;
    const char* found;
  };
  const Case cases[] = {
      {"200 a%20b", "a b"},
      {"500 no", "-"},
      {"400 later", "!later"},
      {"400 ", "!no reason given"},
      {"200 %zz", "!bad reply: 200 %zz"},
      {"200 %2", "!bad reply: 200 %2"},
      {"299 x", "!bad reply: 299 x"},
      {"hello", "!bad reply: hello"},
      {"", "!bad reply: no reason given"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.line);
    CHECK(shown(read_tcp_reply(one.line)) == one.found);
  }
}

TEST_CASE("replies of socketmap: tables") {
  CHECK(netstring("m k") == "3:m k,");
  struct Case {
    const char* reply;
    const char* found;
  };
  const Case cases[] = {
      {"OK a b", "a b"},
      {"NOTFOUND ", "-"},
      {"NOTFOUND", "-"},
      {"TEMP x", "!temporary: x"},
      {"TIMEOUT ", "!timeout: no reason given"},
      {"PERM x", "!permanent: x"},
      {"OK", "!unknown reply status: OK"},
      {"", "!unknown reply status: no reason given"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.reply);
    CHECK(shown(read_socketmap_reply(one.reply)) == one.found);
  }
}

TEST_CASE("heads of memcached's replies") {
  CHECK_FALSE(read_memcache_head("END", "k")->found);
  CHECK(read_memcache_head("VALUE k 0 12", "k")->bytes == 12);
  for (const char* line : {"VALUE other 0 1", "VALUE k 0", "VALUE k 0 x",
                           "ERROR", "VALUE k 0 -1", ""}) {
    CAPTURE(line);
    CHECK_FALSE(read_memcache_head(line, "k"));
  }
  CHECK(valid_memcache_key("a@b"));
  CHECK_FALSE(valid_memcache_key("a b"));
  CHECK_FALSE(valid_memcache_key(""));
  CHECK_FALSE(valid_memcache_key("a\nflush_all"));
  CHECK_FALSE(valid_memcache_key(std::string(251, 'a')));
}

TEST_CASE("endpoints") {
  struct Case {
    const char* text;
    bool plain;
    const char* shown;  // "" : refused
  };
  const Case cases[] = {
      {"inet:h:1", false, "h:1"},   {"unix:/a", false, "/a"},
      {"inet:[::1]:1", false, "::1:1"}, {"h:1", true, "h:1"},
      {"h:1", false, ""},           {"h", true, ""},
      {"unix:", false, ""},         {":1", true, ""},
      {"h:", true, ""},             {"[::1:1", true, ""},
  };
  for (const Case& one : cases) {
    CAPTURE(one.text);
    const auto endpoint = Endpoint::parse(one.text, one.plain);
    CHECK((endpoint ? endpoint->text() : "") == one.shown);
  }
}

TEST_CASE("a peer that says nothing, too much or goodbye") {
  std::string place =
      (std::filesystem::temp_directory_path() / "dial.XXXXXX").string();
  REQUIRE(mkdtemp(place.data()) != nullptr);
  Endpoint endpoint;
  endpoint.path = place + "/socket";
  const std::chrono::milliseconds limit(10'000);
  const auto nobody = Dialogue::open(endpoint, limit);
  REQUIRE_FALSE(nobody);
  CHECK(nobody.trouble().text == "No such file or directory");

  const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, endpoint.path.c_str());
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address),
                 sizeof address) == 0);
  REQUIRE(::listen(listener.get(), 5) == 0);
  auto dialogue = Dialogue::open(endpoint, limit);
  REQUIRE(dialogue);
  Fd peer(::accept(listener.get(), nullptr, nullptr));
  CHECK(dialogue->idle());
  REQUIRE(dialogue->send("question\n", limit).ok());
  char question[9];
  REQUIRE(::read(peer.get(), question, sizeof question) == 9);
  REQUIRE(::write(peer.get(), "one\r\ntwo\nabcdef", 15) == 15);
  CHECK(*dialogue->line(100, limit) == "one");
  CHECK_FALSE(dialogue->idle());
  CHECK(*dialogue->line(100, limit) == "two");
  CHECK(*dialogue->bytes(2, limit) == "ab");
  const auto late = dialogue->line(100, std::chrono::milliseconds(1));
  REQUIRE_FALSE(late);
  CHECK(late.trouble().text == "Connection timed out");
  const auto long_line = dialogue->line(3, limit);
  REQUIRE_FALSE(long_line);
  CHECK(long_line.trouble().text == "the reply is too long");
  peer.reset();
  const auto gone = dialogue->bytes(100, limit);
  REQUIRE_FALSE(gone);
  CHECK(gone.trouble().text == "the server closed the connection");
  CHECK_FALSE(dialogue->idle());
  std::filesystem::remove_all(place);
}

TEST_CASE("sqlite: asks a database file") {
  std::string place =
      (std::filesystem::temp_directory_path() / "sqlite.XXXXXX").string();
  REQUIRE(mkdtemp(place.data()) != nullptr);
  const std::string database = place + "/db";
  const std::string make =
      "python3 -c \"import sqlite3; c = sqlite3.connect('" + database +
      "'); c.execute('create table t (k, v, w)'); "
      "c.executemany('insert into t values (?, ?, ?)', [('a', '1', 'x'), "
      "('a', '2', 'y'), ('e', '', None), ('n', None, 'z'), "
      "('it\\'s', 'quoted', '')]); c.commit()\"";
  REQUIRE(std::system(make.c_str()) == 0);
  Opener opener(nullptr);
  tables::OpenOptions options;
  options.other = opener.function();
  const auto ask = [&](const std::string& more, std::string_view key) {
    const std::string file = place + "/t.cf";
    REQUIRE(os::replace_file(file, "dbpath = " + database + "\n" + more).ok());
    auto table = tables::open("sqlite:" + file, options);
    if (!table) return "!!" + table.trouble().text;
    return shown((*table)->find(key));
  };
  const std::string query = "query = SELECT v, w FROM t WHERE k = '%s'\n";
  CHECK(ask(query, "a") == "1,2");
  CHECK(ask(query, "A") == "1,2");
  CHECK(ask(query, "it's") == "quoted");
  CHECK(ask(query, "none") == "-");
  CHECK(ask(query, "e") == "-");
  CHECK(ask(query, "n") == "-");
  CHECK(ask("table = t\nselect_field = w\nwhere_field = k\n"
            "additional_conditions = AND v = '2'\n", "a") == "y");
  CHECK(ask("query = SELECT v FROM u WHERE k = '%s'\n", "a") ==
        "!table sqlite:" + place + "/t.cf: query error: SQL prepare failed: "
        "no such table: u");
  CHECK(ask("query = DELETE FROM t\n", "a").starts_with(
        "!table sqlite:" + place + "/t.cf: query error: SQL step failed: "));
  CHECK(ask("", "a") ==
        "!!" + place + "/t.cf: bad string length 0 < 1: query = ");
  CHECK(ask("dbpath = /none/x\n" + query, "a") ==
        "!!sqlite:" + place + "/t.cf: Can't open database: /none/x: unable to "
        "open database file");
  std::filesystem::remove_all(place);
}

TEST_CASE("types that are not built in are named") {
  CHECK(not_built_in("nis"));
  CHECK_FALSE(not_built_in("hash"));
  CHECK_FALSE(not_built_in("sqlite"));
  const auto types = table_types();
  CHECK(std::is_sorted(types.begin(), types.end()));
  for (const char* type : {"cdb", "hash", "proxy", "socketmap", "sqlite"})
    CHECK(std::count(types.begin(), types.end(), type) == 1);
  Opener opener(nullptr);
  tables::OpenOptions options;
  options.other = opener.function();
  const auto table = tables::open("nis:x", options);
  REQUIRE_FALSE(table);
  CHECK(table.trouble().text ==
        "unsupported dictionary type: nis: it is not built in");
}

}  // namespace
}  // namespace postern::databases
