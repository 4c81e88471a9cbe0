#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "common/os/files.h"
#include "common/tables/address_find.h"
#include "common/tables/alias_file.h"
#include "common/tables/build.h"
#include "common/tables/cdb_file.h"
#include "common/tables/index_file.h"
#include "common/tables/maps.h"
#include "common/tables/match_list.h"
#include "common/tables/table.h"

namespace postern::tables {
namespace {

// A directory of its own, and the warnings heard.
struct Place {
  Place() {
    std::string name =
        (std::filesystem::temp_directory_path() / "tables.XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Place() { std::filesystem::remove_all(path); }

  std::string file(const std::string& name, std::string_view text) {
    const std::string full = path + "/" + name;
    REQUIRE(os::replace_file(full, text).ok());
    return full;
  }
  Warn ear() {
    return [this](std::string_view text) { warnings.emplace_back(text); };
  }
  OpenOptions options() {
    OpenOptions open;
    open.warn = ear();
    return open;
  }

  std::string path;
  std::vector<std::string> warnings;
};

// The value; "-" for none; "!text" for trouble.
std::string shown(Found found) {
  if (!found) return "!" + found.trouble().text;
  return *found ? **found : "-";
}

std::string ask(const std::string& spec, std::string_view key,
                OpenOptions options = {}) {
  auto table = open(spec, options);
  if (!table) return "!!" + table.trouble().text;
  return shown((*table)->find(key));
}

TEST_CASE("tables without files answer as they are written") {
  struct Case {
    const char* spec;
    const char* key;
    const char* answer;
  };
  const Case cases[] = {
      {"inline:{k=v,{k2 = v 2}}", "k", "v"},
      {"inline:{k=v,{k2 = v 2}}", "k2", "v 2"},
      {"inline:{K=v}", "k", "v"},
      {"inline:{a=b, a=c}", "a", "c"},
      {"inline:{a}", "a",
       "!!missing '=' after attribute name: \"inline:{a}\"; need "
       "\"inline:{name=value...}\""},
      {"inline:a=b", "a",
       "!!bad syntax: \"inline:a=b\"; need \"inline:{name=value...}\""},
      {"static:always", "x", "always"},
      {"static:{ a b }", "x", "a b"},
      {"static:{a", "x", "!!bad static:name syntax: missing '}' in \"{a\""},
      {"static:{a}b", "x",
       "!!bad static:name syntax: syntax error after '}' in \"{a}b\""},
      {"unionmap:{inline:{k=a},static:b}", "k", "a,b"},
      {"unionmap:{inline:{k=a},inline:{k=b}}", "x", "-"},
      {"unionmap:static:a", "k",
       "!!bad syntax: \"unionmap:static:a\"; need "
       "\"unionmap:{type:name...}\""},
      {"unionmap:{nosuch:x}", "k", "!!unsupported dictionary type: nosuch"},
      {"pipemap:{inline:{k=a},inline:{a=b}}", "k", "b"},
      {"pipemap:{inline:{k=a},inline:{z=b}}", "k", "-"},
      {"randmap:{only}", "k", "only"},
      {"randmap:{}", "k",
       "!!bad syntax: \"randmap:{}\"; need \"randmap:{value...}\""},
      {"fail:now", "x", "!table fail:now: query error: Application error"},
      {"unix:passwd.byname", "root", "root:x:0:0:root:/root:/bin/bash"},
      {"unix:passwd.byname", "no-such-user-here", "-"},
      {"unix:foo", "x", "!!unknown table: unix:foo"},
      {"environ:", "x",
       "!!open dictionary: expecting \"type:name\" form instead of "
       "\"environ:\""},
      {"/no/type", "x",
       "!!open dictionary: expecting \"type:name\" form instead of "
       "\"/no/type\""},
      {"proxy:static:x", "k", "x"},
      {"mysql:/x", "k", "!!unsupported dictionary type: mysql"},
      {"cidr:{{1.2.3.0/24 x} {!1.0.0.0/8 y}}", "1.2.3.4", "x"},
      {"cidr:{{1.2.3.0/24 x} {!1.0.0.0/8 y}}", "8.8.8.8", "y"},
      {"cidr:{{1.2.3.0/24 x} {!1.0.0.0/8 y}}", "no.address", "-"},
      {"cidr:{{!1.0.0.0/8 y}}", "::1", "-"},
      {"cidr:{{if !1.0.0.0/8} {::/0 y} {endif}}", "::1", "-"},
      {"cidr:{1.2.3.4 x}", "1.2.3.4",
       "!!cidr map: no '{' at start of text in \"1.2.3.4\""},
      {"pcre:{{/(x)(y)?/ <${1}$(2)>}}", "axb", "<x>"},
      {"regexp:{{/^(.+)-x$/ got $1 $$5}}", "Foo-x", "got Foo $5"},
      {"regexp:{{/^Case$/ s}}", "case", "s"},
      {"regexp:{{/^Case$/i s}}", "case", "-"},
      {"pcre:{{!/a/ not}}", "b", "not"},
      {"pcre:{{/^b$/m two}}", "a\nb", "two"},
      {"regexp:{{/^b$/m two}}", "a\nb", "two"},
      {"pcre:{{/a.b/ dot}}", "a\nb", "dot"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.spec, one.key);
    CHECK(ask(one.spec, one.key) == one.answer);
  }
}

TEST_CASE("a broken part of a combined table is trouble, not absence") {
  for (const char* spec :
       {"unionmap:{static:a,fail:x}", "pipemap:{fail:x,static:a}"}) {
    CAPTURE(spec);
    auto table = open(spec);
    REQUIRE(table);
    const Found found = (*table)->find("k");
    REQUIRE_FALSE(found.ok());
    CHECK(found.trouble().temporary());
    CHECK(found.trouble().text.starts_with(std::string("table ") + spec +
                                           ": query error: Application error"));
  }
}

TEST_CASE("keys that are not UTF-8 have no value unless UTF-8 is off") {
  Place place;
  OpenOptions options = place.options();
  CHECK(ask("static:x", "a\xff", options) == "-");
  REQUIRE(place.warnings.size() == 1);
  CHECK(place.warnings[0] ==
        "static:x: non-UTF-8 key \"a?\": malformed UTF-8 or invalid "
        "codepoint");
  options.utf8 = false;
  CHECK(ask("static:x", "a\xff", options) == "x");
}

TEST_CASE("rules nest in if and endif, in each kind of rule table") {
  Place place;
  const std::string nets = place.file("nets",
                                      "if 1.0.0.0/8\n"
                                      "if !1.2.0.0/16\n1.3.0.0/16 three\n"
                                      "endif\n1.2.3.4 four\nENDIF\n"
                                      "0.0.0.0/0 rest\n2001:db8::/32\n six\n");
  CHECK(ask("cidr:" + nets, "1.2.3.4") == "four");
  CHECK(ask("cidr:" + nets, "1.3.3.4") == "three");
  CHECK(ask("cidr:" + nets, "1.4.3.4") == "rest");
  CHECK(ask("cidr:" + nets, "2001:db8::1") == "six");
  const std::string rules = place.file("rules",
                                       "# c\nif /^a/\nif !/z/\n/b$/ a to b\n"
                                       "endif\n/c$/ a to c\nendif\n/c/ only\n");
  for (const std::string type : {"regexp:", "pcre:"}) {
    CAPTURE(type);
    CHECK(ask(type + rules, "axb") == "a to b");
    CHECK(ask(type + rules, "azb") == "-");
    CHECK(ask(type + rules, "azc") == "a to c");
    CHECK(ask(type + rules, "bc") == "only");
  }
}

TEST_CASE("bad rules are left out with a warning that names the line") {
  Place place;
  const std::string path = place.file("r",
                                      "/noend x\n"
                                      "/a/q x\n"
                                      "/a/ $1\n"
                                      "!/a/ $1\n"
                                      "plain x\n"
                                      "/x/ ${1\n"
                                      "/y/ $z\n"
                                      "endif\n"
                                      "if /k/\n"
                                      "/(/ x\n"
                                      "/novalue/\n");
  auto table = open("pcre:" + path, place.options());
  REQUIRE(table);
  const std::string at = "pcre map " + path + ", line ";
  const std::vector<std::string> expected = {
      at + "1: no closing regexp delimiter \"/\": ignoring this rule",
      at + "2: unknown regexp option \"q\": skipping this rule",
      at + "3: out of range replacement index \"1\": skipping this rule",
      at + "4: $number found in negative match replacement text: skipping "
           "this rule",
      at + "5: ignoring unrecognized request",
      at + "6: truncated macro reference: \"${1\"",
      at + "6: bad replacement syntax: skipping this rule",
      at + "7: non-numeric replacement index \"z\"",
      at + "7: bad replacement syntax: skipping this rule",
      at + "8: ignoring ENDIF without matching IF",
      at + "10: error in regex at offset 1: missing closing parenthesis",
      at + "11: no replacement text: using empty string",
      at + "9: IF has no matching ENDIF",
  };
  CHECK(place.warnings == expected);
}

TEST_CASE("bad networks say what to write instead") {
  struct Case {
    const char* text;
    const char* problem;  // null: none
  };
  const Case cases[] = {
      {"10.0.0.0/8", nullptr},
      {"[2001:db8::]/32", nullptr},
      {"::1", nullptr},
      {"[::1]", nullptr},
      {"0.0.0.0/0", nullptr},
      {"10.0.0.1/8",
       "non-null host address bits in \"10.0.0.1/8\", perhaps you should use "
       "\"10.0.0.0/8\" instead"},
      {"[2001:db8::1]/33",
       "non-null host address bits in \"[2001:db8::1]/33\", perhaps you "
       "should use \"[2001:db8::]/33\" instead"},
      {"10.0.0.0/33", "bad mask length in \"10.0.0.0/33\""},
      {"10.0.0/8", "bad network value in \"10.0.0/8\""},
      {"10.0.0.0/", "bad mask value in \"10.0.0.0/\""},
      {"10.0.0.0/-1", "bad mask value in \"10.0.0.0/-1\""},
      {"10.0.0.0/a", "bad mask value in \"10.0.0.0/a\""},
      {"010.0.0.1", "bad address pattern: \"010.0.0.1\""},
      {"[::1", "missing ']' character after \"[::1\""},
      {"", "bad address pattern: \"\""},
  };
  for (const Case& one : cases) {
    CAPTURE(one.text);
    const Result<Network> network = parse_network(one.text);
    if (one.problem == nullptr)
      CHECK(network.ok());
    else if (network.ok())
      FAIL_CHECK("accepted");
    else
      CHECK(network.trouble().text == one.problem);
  }
}

TEST_CASE("a network contains what shares its prefix") {
  struct Case {
    const char* network;
    const char* address;
    bool inside;
  };
  const Case cases[] = {
      {"10.0.0.0/9", "10.127.0.1", true},
      {"10.0.0.0/9", "10.128.0.1", false},
      {"0.0.0.0/0", "255.1.1.1", true},
      {"0.0.0.0/0", "::1", false},
      {"1.2.3.4", "1.2.3.4", true},
      {"1.2.3.4", "1.2.3.5", false},
      {"2001:db8::/33", "2001:db8:7fff::1", true},
      {"2001:db8::/33", "2001:db8:8000::1", false},
  };
  for (const Case& one : cases) {
    CAPTURE(one.network, one.address);
    CHECK(parse_network(one.network)->contains(*parse_address(one.address)) ==
          one.inside);
  }
}

TEST_CASE("source lines are joined, quoted and complained about") {
  Place place;
  const std::string path = place.file("t",
                                      "# comment\n"
                                      "alpha     one\n"
                                      "beta      two three\n"
                                      "  # inside\n\n"
                                      "  continued\n"
                                      "gamma\ttabbed  value  \n"
                                      "Delta     UPPER key\n"
                                      "\"quoted key\" v\n"
                                      "delta again\n"
                                      "alone\n"
                                      "key: value\n"
                                      "a\" b c\n"
                                      "bad\xff x");
  OpenOptions options = place.options();
  auto table = open("texthash:" + path, options);
  REQUIRE(table);
  CHECK(shown((*table)->find("alpha")) == "one");
  CHECK(shown((*table)->find("beta")) == "two three  continued");
  CHECK(shown((*table)->find("gamma")) == "tabbed  value");
  CHECK(shown((*table)->find("DELTA")) == "UPPER key");
  CHECK(shown((*table)->find("\"quoted key\"")) == "v");
  CHECK(shown((*table)->find("nope")) == "-");
  CHECK(place.warnings ==
        std::vector<std::string>{
            path + ", line 10: duplicate entry: \"delta\"",
            path + ", line 11: expected format: key whitespace value -- "
                   "ignoring this line",
            path + ", line 12: record is in \"key: value\" format; is this "
                   "an alias file?",
            path + ", line 13: unbalanced '\"' in 'a\" b c' -- ignoring "
                   "this line",
            path + ", line 14: non-UTF-8 input \"bad? x\" -- ignoring this "
                   "line"});
}

TEST_CASE("alias lines are brought into one form") {
  struct Case {
    const char* line;
    const char* key;  // null: complaint
    const char* value;
  };
  const Case cases[] = {
      {"good: alice", "good", "alice"},
      {"two words: alice", "two words", "alice"},
      {"trail: bob # not a comment", "trail", "bob # not a comment"},
      {"c: a,  b\t,c", "c", "a, b, c"},
      {"\"quoted name\": bob", "quoted name", "bob"},
      {"\"x:y\" : t", "x:y", "t"},
      {"p: \"|prog a b\", :include:/x", "p", "\"|prog a b\", :include:/x"},
      {"q: \"a\\\"b\"", "q", "\"a\\\"b\""},
      {"r: user@[1.2.3.4],b @ c.d", "r", "user@[1.2.3.4], b@c.d"},
      {"s: <foo@bar.com>, Foo Bar <x@y>, (c) z (d)", "s",
       "<foo@bar.com>, Foo Bar <x@y>, (c) z (d)"},
      {"b4: a\\,b , c\\ d", "b4", "\"a,b\", \"c d\""},
      {"u: \"a b", "u", "\"a b\""},
      {"a.\"b c\": d", "a.b c", "d"},
      {"no colon here", nullptr, "need name:value pair"},
      {": empty left", nullptr, "need name:value pair"},
      {"right:", nullptr, "need name:value pair"},
      {"\"un terminated: x", nullptr, "need name:value pair"},
      {"a, b: alice", nullptr, "need name:value pair"},
      {"a@b.com: z", nullptr, "name must be local"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.line);
    const SourceLine parsed = parse_alias(one.line);
    REQUIRE(parsed.entry.has_value() == (one.key != nullptr));
    if (parsed.entry) {
      CHECK(parsed.entry->key == one.key);
      CHECK(parsed.entry->value == one.value);
    } else {
      CHECK(parsed.complaint == one.value);
    }
  }
}

TEST_CASE(
    "a built table is found, listed, changed, and noticed when replaced") {
  for (const std::string type : {"hash", "btree", "lmdb"}) {
    for (const bool nul : {false, true}) {
      CAPTURE(type, nul);
      Place place;
      const std::string source = place.file("t", "b two\nA one\na again\n");
      const Spec spec = *parse_spec(type + ":" + source);
      const std::string path = *file_of(spec);
      BuildOptions options;
      options.nul = nul;
      options.warn = place.ear();
      REQUIRE(build(spec, options).ok());
      CHECK(place.warnings ==
            std::vector<std::string>{(type == "lmdb" ? spec.text() : path) +
                                     ": duplicate entry: \"a\""});
      place.warnings.clear();

      auto table = open(spec, place.options());
      REQUIRE(table);
      CHECK(shown((*table)->find("a")) == "one");
      CHECK(shown((*table)->find("B")) == "two");
      CHECK(shown((*table)->find("c")) == "-");
      CHECK(shown((*table)->find("")) == "-");
      std::string listed;
      REQUIRE((*table)
                  ->for_each([&](std::string_view key, std::string_view value) {
                    listed += std::string(key) + "=" + std::string(value) + ";";
                  })
                  .ok());
      CHECK(listed == "a=one;b=two;");

      REQUIRE(add_entries(spec, "c three\na changed\n", "-", options).ok());
      CHECK(ask(spec.text(), "c") == "three");
      CHECK(ask(spec.text(), "a") == "one");
      options.duplicates = Duplicates::replace;
      REQUIRE(add_entries(spec, "a changed\n", "-", options).ok());
      CHECK(ask(spec.text(), "a") == "changed");
      auto removed = remove_keys(spec, {"B", "nope"}, options);
      REQUIRE(removed);
      CHECK(*removed == 1);
      CHECK(ask(spec.text(), "b") == "-");

      std::this_thread::sleep_for(std::chrono::milliseconds(1050));
      CHECK(shown((*table)->find("a")) == "changed");
      CHECK(shown((*table)->find("b")) == "-");
    }
  }
}

TEST_CASE("a table file has its source's mode, and keeps its own later") {
  Place place;
  const std::string source = place.file("t", "a b\n");
  const Spec spec = *parse_spec("hash:" + source);
  chmod(source.c_str(), 0640);
  const auto mode = [&] {
    struct stat now {};
    REQUIRE(stat((source + ".db").c_str(), &now) == 0);
    return now.st_mode & 0777;
  };
  REQUIRE(build(spec, {}).ok());
  CHECK(mode() == 0640);
  chmod(source.c_str(), 0600);
  REQUIRE(build(spec, {}).ok());
  CHECK(mode() == 0640);
  std::filesystem::remove(source + ".db");
  BuildOptions options;
  options.inherit_mode = false;
  REQUIRE(build(spec, options).ok());
  CHECK(mode() == 0644);
  // Nothing else is left in the directory.
  CHECK(os::list_directory(place.path)->size() == 2);
}

TEST_CASE("missing, foreign and outdated indexes name the command that helps") {
  Place place;
  const std::string source = place.file("t", "a b\n");
  const std::string spec = "hash:" + source;
  CHECK(ask("hash:" + place.path + "/none", "a") ==
        "!!open database " + place.path +
            "/none.db: No such file or directory");
  CHECK(ask(spec, "a") == "!!open database " + source +
                              ".db: No such file or directory; create it "
                              "with \"postmap " +
                              spec + "\"");

  std::string berkeley(4096, '\0');
  berkeley.replace(12, 4, std::string_view("\x61\x15\x06\x00", 4));
  place.file("t.db", berkeley);
  CHECK(ask(spec, "a") ==
        "!!open database " + source +
            ".db: this is a Berkeley DB file, as Postfix makes them, not an "
            "index of Postern; rebuild it with \"postmap " +
            spec + "\"");
  place.file("t.db", "junk");
  CHECK(ask(spec, "a") == "!!open database " + source +
                              ".db: this is not an index of Postern; rebuild "
                              "it with \"postmap " +
                              spec + "\"");
  // Building replaces whatever it was.
  REQUIRE(build(*parse_spec(spec), {}).ok());
  CHECK(ask(spec, "a", place.options()) == "b");
  CHECK(place.warnings.empty());

  const timespec later[2] = {{time(nullptr) + 60, 0}, {time(nullptr) + 60, 0}};
  utimensat(AT_FDCWD, source.c_str(), later, 0);
  CHECK(ask(spec, "a", place.options()) == "b");
  CHECK(place.warnings ==
        std::vector<std::string>{
            "database " + source + ".db is older than source file " + source +
            "; bring it up to date with \"postmap " + spec + "\""});

  place.file("al", "root: x\n");
  CHECK(ask("hash:" + place.path + "/al", "a") ==
        "!!open database " + place.path +
            "/al.db: No such file or directory; create it with \"postalias "
            "hash:" +
            place.path + "/al\"");
}

TEST_CASE("a damaged index is trouble") {
  Place place;
  const std::string source = place.file("t", "a b\n");
  const Spec spec = *parse_spec("hash:" + source);
  REQUIRE(build(spec, {}).ok());
  std::string bytes = *os::read_file(source + ".db");
  for (std::size_t i = 100; i < bytes.size(); ++i) bytes[i] = 'x';
  place.file("t.db", bytes);
  CHECK(ask(spec.text(), "a").starts_with("!!database " + source + ".db: "));
}

TEST_CASE("maps are asked in order and trouble stops the search") {
  Place place;
  auto maps = Maps::parse("x_maps",
                          "inline:{a=1}, inline:{a=2,b=2}\n regexp:{{/^c/ 3}}",
                          place.options());
  REQUIRE(maps);
  CHECK(shown(maps->find("a")) == "1");
  CHECK(shown(maps->find("b")) == "2");
  CHECK(maps->answered_by() == "inline:{a=2,b=2}");
  CHECK(shown(maps->find("cc")) == "3");
  CHECK(shown(maps->find("cc", true)) == "-");
  CHECK(shown(maps->find("")) == "-");

  auto broken =
      Maps::parse("x_maps", "inline:{a=1} fail:f static:z", place.options());
  CHECK(shown(broken->find("a")) == "1");
  CHECK(shown(broken->find("b")).starts_with("!fail:f lookup error for "));

  auto missing = Maps::parse("x_maps", "hash:/no/such", place.options());
  REQUIRE(missing);
  CHECK_FALSE(missing->find("b").ok());
  REQUIRE(place.warnings.size() == 1);
  CHECK(place.warnings[0] ==
        "hash:/no/such is unavailable. open database /no/such.db: No such "
        "file or directory");
  CHECK_FALSE(Maps::parse("x_maps", "inline:{a=b", {}).ok());
}

TEST_CASE("match lists decide by the first pattern that matches") {
  Place place;
  const std::string file =
      place.file("list", "# c\n file.test\n!not.file.test .sub.test\n");
  struct Case {
    MatchOptions::Kind kind;
    bool parents;
    std::string list;
    const char* name;
    const char* address;
    int answer;  // 1, 0, -1: trouble
  };
  using enum MatchOptions::Kind;
  const std::vector<Case> cases = {
      {strings, false, "a, B c", "b", "", 1},
      {strings, false, "a, B c", "x.a", "", 0},
      {domains, false, "example.com", "EXAMPLE.com", "", 1},
      {domains, false, "example.com", "a.example.com", "", 0},
      {domains, false, ".example.com", "a.b.example.com", "", 1},
      {domains, false, ".example.com", "example.com", "", 0},
      {domains, true, "example.com", "a.example.com", "", 1},
      {domains, true, "example.com", "notexample.com", "", 0},
      {domains, true, "!a.example.com, example.com", "a.example.com", "", 0},
      {domains, true, "!a.example.com, example.com", "b.example.com", "", 1},
      {domains, true, "!!a", "a", "", 1},
      {domains, false, "inline:{.example.com=x}", "a.example.com", "", 1},
      {domains, false, "inline:{example.com=x}", "a.example.com", "", 0},
      {domains, true, "inline:{example.com=x}", "a.example.com", "", 1},
      {domains, true, "regexp:{{/^example/ x}}", "a.example.com", "", 0},
      {domains, false, "!inline:{a=x} static:y", "a", "", 0},
      {domains, false, "!inline:{a=x} static:y", "b", "", 1},
      {domains, false, "fail:x, a", "a", "", -1},
      {domains, false, "a, fail:x", "a", "", 1},
      {domains, false, file, "file.test", "", 1},
      {domains, false, file, "x.sub.test", "", 1},
      {domains, false, file, "not.file.test", "", 0},
      {domains, false, "!" + file + ", static:x", "file.test", "", 0},
      {domains, false, "!" + file + ", static:x", "other.test", "", 1},
      {domains, false, "/no/such/file a", "a", "", -1},
      {domains, false, "nosuch:thing a", "a", "", -1},
      {domains, false, "a !", "a", "", 1},
      {domains, false, "! a", "a", "", -1},
      {addresses, false, "127.0.0.0/8", "localhost", "127.1.2.3", 1},
      {addresses, false, "127.0.0.0/8", "localhost", "128.1.2.3", 0},
      {addresses, false, "!127.0.0.1 127.0.0.0/8", "l", "127.0.0.1", 0},
      {addresses, false, "[::1]/128", "localhost", "::1", 1},
      {addresses, false, "[::1]", "localhost", "::1", 1},
      {addresses, false, "[2001:DB8::]/32", "x", "2001:db8::5", 1},
      {addresses, false, "10.0.0.1/8, 1.2.3.4", "x", "1.2.3.4", -1},
      {addresses, false, "::1/128", "x", "::1", -1},
      {addresses, false, "example.com, 1.2.3.4", "example.com", "9.9.9.9", 1},
      {addresses, false, "cidr:{{1.2.3.0/24 x}}", "a.b", "1.2.3.9", 1},
      {addresses, false, "cidr:{{1.2.3.0/24 x}}", "a.b", "1.2.4.9", 0},
      {addresses, false, "inline:{1.2.3.4=x}", "a.b", "1.2.3.4", 1},
  };
  for (const Case& one : cases) {
    CAPTURE(one.list, one.name, one.address, one.parents);
    MatchOptions options;
    options.kind = one.kind;
    options.parents = one.parents;
    MatchList list = MatchList::parse(one.list, options);
    list.open_tables();
    const Result<bool> answer = list.matches(one.name, one.address);
    CHECK((answer.ok() ? (*answer ? 1 : 0) : -1) == one.answer);
  }
}

TEST_CASE("a list says once what is wrong with it") {
  Place place;
  MatchOptions options;
  options.kind = MatchOptions::Kind::addresses;
  options.title = "mynetworks";
  options.tables = place.options();
  const MatchList list = MatchList::parse("10.0.0.1/8, ::1/128", options);
  CHECK(place.warnings ==
        std::vector<std::string>{
            "mynetworks: non-null host address bits in \"10.0.0.1/8\", "
            "perhaps you should use \"10.0.0.0/8\" instead",
            "mynetworks: \"::1/128\": write an IPv6 address inside []"});
  CHECK(list.problems() == place.warnings);
}

TEST_CASE("a walk asks others only for tables that are not open here") {
  MatchOptions options;
  options.kind = MatchOptions::Kind::addresses;
  MatchList list = MatchList::parse(
      "inline:{never=x} !hash:/a, proxy:mysql:/b 9.9.9.9", options);
  list.open_tables(true);
  MatchList::Walk walk(list, "h.Example.com", "9.9.9.9");
  std::vector<std::string> asked;
  for (;;) {
    auto question = walk.next();
    REQUIRE(question);
    if (!*question) break;
    asked.push_back((*question)->table + " " + (*question)->key);
    walk.answer(false);
  }
  CHECK(asked == std::vector<std::string>{
                     "hash:/a h.example.com", "hash:/a .example.com",
                     "hash:/a .com", "hash:/a 9.9.9.9",
                     "proxy:mysql:/b h.example.com",
                     "proxy:mysql:/b .example.com", "proxy:mysql:/b .com",
                     "proxy:mysql:/b 9.9.9.9"});
  CHECK(walk.matched());

  MatchList::Walk stopped(list, "x");
  REQUIRE(stopped.next());
  stopped.answer(true);
  CHECK_FALSE(stopped.next()->has_value());
  CHECK_FALSE(stopped.matched());
}

TEST_CASE("address keys come in the order of the manuals") {
  const auto keys = [](const std::vector<Candidate>& candidates) {
    std::string all;
    for (const Candidate& one : candidates) {
      all += all.empty() ? "" : " ";
      all += (one.partial ? "~" : "") + one.key;
      if (!one.extension.empty()) all += "[" + one.extension + "]";
    }
    return all;
  };
  mail::ExtensionRules plus;
  plus.delimiters = "+";
  CHECK(keys(virtual_keys("user+ext@dom.test", plus, false)) ==
        "user+ext@dom.test ~user@dom.test[+ext] ~@dom.test");
  CHECK(keys(virtual_keys("user+ext@dom.test", plus, true)) ==
        "user+ext@dom.test ~user@dom.test[+ext] ~user+ext ~user[+ext] "
        "~@dom.test");
  CHECK(keys(virtual_keys("user@dom.test", plus, false)) ==
        "user@dom.test ~@dom.test");
  CHECK(keys(virtual_keys("postmaster+x", plus, false)) ==
        "postmaster+x ~postmaster[+x]");
  CHECK(keys(virtual_keys("a b@dom.test", plus, false)) ==
        "\"a b\"@dom.test a b@dom.test ~@dom.test");
  CHECK(keys(transport_keys("user+ext@a.dom.test", plus, false)) ==
        "user+ext@a.dom.test ~user@a.dom.test[+ext] ~a.dom.test ~.dom.test "
        "~.test ~*");
  CHECK(keys(transport_keys("u@a.dom.test", plus, true)) ==
        "u@a.dom.test ~a.dom.test ~dom.test ~test ~*");
  CHECK(keys(alias_keys("user+ext", plus)) == "user+ext ~user[+ext]");
  CHECK(keys(access_keys("user+ext@dom.test", plus, false)) ==
        "user+ext@dom.test ~user@dom.test[+ext] ~dom.test ~.test "
        "~user+ext@ ~user@[+ext]");
  CHECK(keys(domain_keys("[1.2.3.4]", false)) == "[1.2.3.4]");
}

TEST_CASE("which tables live in memory is known from their names") {
  CHECK(in_memory("static:x"));
  CHECK(in_memory("cidr:{{10.0.0.0/8 x}}"));
  // Files change.
  CHECK_FALSE(in_memory("cidr:/x"));
  CHECK_FALSE(in_memory("texthash:/x"));
  // Whether it may be read that way is for lookup to say.
  CHECK_FALSE(in_memory("proxy:static:x"));
  CHECK_FALSE(in_memory("unionmap:{static:x,proxy:static:y}"));
  CHECK(in_memory("unionmap:{static:x,inline:{a=b}}"));
  CHECK_FALSE(in_memory("unionmap:{static:x,hash:/a}"));
  CHECK_FALSE(in_memory("hash:/a"));
  CHECK_FALSE(in_memory("ldap:/a"));
  const auto blocks = [](const char* name) {
    return may_block(*parse_spec(name));
  };
  CHECK(blocks("ldap:/a"));
  CHECK(blocks("unix:passwd.byname"));
  CHECK(blocks("pipemap:{hash:/a,tcp:h:1}"));
  CHECK_FALSE(blocks("unionmap:{hash:/a,cdb:/b}"));
  CHECK(strip_proxy("proxy:proxy:hash:/x") == "hash:/x");
  CHECK(fixed_keys("unionmap:{regexp:/a,hash:/b}"));
  CHECK_FALSE(fixed_keys("pipemap:{regexp:/a,pcre:/b}"));
}

TEST_CASE("a constant database keeps what was put in, and can be changed") {
  Place place;
  const std::string spec = "cdb:" + place.file("t", "a 1\nB 2\na 3\n");
  BuildOptions build_options;
  build_options.warn = place.ear();
  REQUIRE(build(*parse_spec(spec), build_options).ok());
  CHECK(place.warnings ==
        std::vector<std::string>{place.path + "/t: duplicate entry: \"a\""});
  CHECK(ask(spec, "A") == "1");
  CHECK(ask(spec, "b") == "2");
  CHECK(ask(spec, "c") == "-");
  build_options.duplicates = Duplicates::replace;
  REQUIRE(add_entries(*parse_spec(spec), "c 4\nb 5\n", "stdin", build_options)
              .ok());
  const auto removed = remove_keys(*parse_spec(spec), {"a", "x"}, build_options);
  REQUIRE(removed);
  CHECK(*removed == 1);
  std::string all;
  auto table = open(spec);
  REQUIRE(table);
  REQUIRE((*table)
              ->for_each([&](std::string_view key, std::string_view value) {
                all += std::string(key) + "=" + std::string(value) + " ";
              })
              .ok());
  CHECK(all == "b=5 c=4 ");
  // Enough keys for chains of slots, with the NUL that -N adds.
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text += "key" + std::to_string(i) + " value" + std::to_string(i) + "\n";
  const std::string many = "cdb:" + place.file("many", text);
  build_options.nul = true;
  REQUIRE(build(*parse_spec(many), build_options).ok());
  table = open(many);
  REQUIRE(table);
  for (int i = 0; i < 5000; i += 7)
    CHECK(shown((*table)->find("key" + std::to_string(i))) ==
          "value" + std::to_string(i));
  CHECK(shown((*table)->find("key5000")) == "-");
}

TEST_CASE("a damaged constant database is trouble and no \"not found\"") {
  std::string bytes(2048, '\xff');
  const CdbReader reader = CdbReader::of(bytes, "/x.cdb");
  CHECK(shown(reader.get("a")) == "!database /x.cdb: the file is damaged");
  CHECK_FALSE(CdbReader::of("short", "/x.cdb").get("a"));
  Place place;
  place.file("t.cdb", "text");
  CHECK(ask("cdb:" + place.path + "/t", "a") ==
        "!!open database " + place.path +
            "/t.cdb: this is not a constant database (cdb)");
}

TEST_CASE("tables that were read into memory follow their file") {
  Place place;
  struct Case {
    const char* type;
    const char* before;
    const char* after;
  };
  std::vector<std::unique_ptr<Table>> open_tables;
  const Case cases[] = {
      {"texthash", "x 1\n", "x 1\n10.0.0.1 2\n"},
      {"cidr", "10.1.0.0/16 1\n", "10.0.0.0/8 2\n"},
      {"regexp", "/y/ 1\n", "/^10/ 2\n"},
      {"pcre", "/y/ 1\n", "/^10/ 2\n"},
  };
  for (const Case& one : cases) {
    auto table = open(std::string(one.type) + ":" +
                          place.file(one.type, one.before),
                      place.options());
    REQUIRE(table);
    CHECK(shown((*table)->find("10.0.0.1")) == "-");
    open_tables.push_back(std::move(*table));
  }
  for (const Case& one : cases) place.file(one.type, one.after);
  // Looked at once a second.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (const auto& table : open_tables) {
    CAPTURE(table->name());
    std::string found = "-";
    while (found == "-" && std::chrono::steady_clock::now() < end)
      found = shown(table->find("10.0.0.1"));
    CHECK(found == "2");
  }
  // Gone, or not readable as a table: the old content answers.
  std::filesystem::remove(place.path + "/texthash");
  CHECK(shown(open_tables[0]->find("10.0.0.1")) == "2");
}

TEST_CASE("what may be read behind proxy: is asked, inside other tables too") {
  OpenOptions options;
  options.approve = [](const Spec& spec) -> Status {
    if (spec.text() == "static:yes") return {};
    return try_later("3.0", "not " + spec.text());
  };
  CHECK(ask("proxy:static:yes", "k", options) == "yes");
  CHECK(ask("proxy:static:no", "k", options) == "!!not static:no");
  CHECK(ask("static:no", "k", options) == "no");
  CHECK(ask("unionmap:{static:a,proxy:static:no}", "k", options) ==
        "!!not static:no");
}

}  // namespace
}  // namespace postern::tables
