// Forwarding and :include: files: which is read, and what is not believed.
#include "local/lists.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "local/names.h"

namespace postern::local {
namespace {

namespace fs = std::filesystem;
using Kind = Destination::Kind;
using Texts = std::vector<std::string>;

constexpr char usual_filter[] =
    "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct Home {
  Home() {
    char name[] = "/tmp/postern-lists-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
    permit.user = "alice";
    permit.home = path;
    permit.forward_path =
        "$home/.forward${recipient_delimiter}${extension}, $home/.forward";
    permit.forward_filter = usual_filter;
    names = {"alice@x.test", "alice", "alice", "", "", "x.test"};
  }
  ~Home() { fs::remove_all(path); }
  void put(const std::string& name, const std::string& text,
           mode_t mode = 0644) const {
    std::ofstream(path + name, std::ios::binary) << text;
    REQUIRE(::chmod((path + name).c_str(), mode) == 0);
  }
  void extend(const std::string& extension) {
    names.extension = extension;
    names.delimiter = "+";
  }

  std::string path;
  Permit permit;
  ipc::RecipientNames names;
};

TEST_CASE("names are filled in, and what comes from outside is filtered") {
  NameValues values;
  values.recipient = {"al+x@y.test", "al+x", "al", "x$home;", "+", "y.test"};
  values.home = "/home/al";
  const std::pair<const char*, const char*> cases[] = {
      {"$home/$user", "/home/al/al"},
      {"${local}@$domain", "al+x@y.test"},
      {"$recipient", "al+x@y.test"},
      {"a${recipient_delimiter}$extension", "a+x_home_"},
      {"${shell?has}${shell:none}", "none"},
      {"$$x", "$x"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    const auto expanded = expand_names(text, values, std::string(usual_filter));
    REQUIRE(expanded);
    CHECK(expanded->text == expected);
    CHECK(expanded->complete);
  }
  const auto missing = expand_names("$shell", values, std::nullopt);
  REQUIRE(missing);
  CHECK_FALSE(missing->complete);
  // Without a filter the value stands as it is, and is not expanded.
  CHECK(expand_names("$extension", values, std::nullopt)->text == "x$home;");
  CHECK_FALSE(expand_names("${home", values, std::nullopt));
}

TEST_CASE("the file for the extension comes before the one for all") {
  Home home;
  home.put("/.forward", "all@x.test\n");
  home.put("/.forward+news", "news@x.test\n");
  const auto plain = find_forward(home.permit, home.names);
  CHECK(plain.found);
  CHECK(plain.text == "all@x.test\n");
  CHECK_FALSE(plain.extension_used);
  home.extend("news");
  const auto news = find_forward(home.permit, home.names);
  CHECK(news.text == "news@x.test\n");
  CHECK(news.path == home.path + "/.forward+news");
  CHECK(news.extension_used);
  home.extend("other");
  CHECK(find_forward(home.permit, home.names).text == "all@x.test\n");
}

TEST_CASE("an extension is no way into a directory") {
  Home home;
  fs::create_directory(home.path + "/others");
  home.put("/others/root", "secret\n");
  fs::create_symlink(home.path + "/others", home.path + "/.forward+a");
  home.put("/.forward", "all@x.test\n");
  home.extend("a/root");
  CHECK(find_forward(home.permit, home.names).text == "all@x.test\n");
}

TEST_CASE("an extension is no way out of the directory") {
  Home home;
  fs::create_directory(home.path + "/.forward+");
  home.put("/secret", "secret\n");
  home.extend("/../secret");
  CHECK_FALSE(find_forward(home.permit, home.names).found);
}

TEST_CASE("a forwarding file that cannot be trusted is passed over") {
  Home home;
  const std::string file = home.path + "/.forward";
  std::string expected;
  SECTION("writable for all") {
    home.put("/.forward", "x@y.test\n", 0666);
    expected = "file " + file + " is world writable";
  }
  SECTION("a link") {
    home.put("/other", "x@y.test\n");
    fs::create_symlink(home.path + "/other", file);
    expected = "file " + file + " is not a regular file";
  }
  SECTION("a pipe without a writer") {
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    expected = "file " + file + " is not a regular file";
  }
  SECTION("another's") {
    if (::geteuid() != 0) return;
    home.put("/.forward", "x@y.test\n");
    REQUIRE(::chown(file.c_str(), 65534, 65534) == 0);
    expected = "file " + file + " has bad owner uid 65534";
  }
  const auto answer = find_forward(home.permit, home.names);
  CHECK_FALSE(answer.found);
  CHECK(answer.warnings == Texts{expected});
}

TEST_CASE("a list is read, or the log hears why not") {
  Home home;
  home.permit.list = home.path + "/list";
  std::string expected;
  bool permanent = true;
  SECTION("it is there") {
    home.put("/list", "bob\n");
    const auto answer = read_include(home.permit);
    CHECK(answer.text == "bob\n");
    CHECK(answer.owner == static_cast<std::int64_t>(::geteuid()));
    return;
  }
  SECTION("none") {
    expected = "unable to lookup :include: file " + home.permit.list +
               ": No such file or directory";
  }
  SECTION("a directory") {
    fs::create_directory(home.permit.list);
    expected = ":include: file " + home.permit.list + " is not a regular file";
  }
  SECTION("writable for all") {
    home.put("/list", "bob\n", 0646);
    expected = ":include: file " + home.permit.list + " is world writable";
  }
  SECTION("unreadable for now") {
    if (::geteuid() == 0) return;
    home.put("/list", "bob\n", 0);
    expected = "cannot open include file " + home.permit.list +
               ": Permission denied";
    permanent = false;
  }
  SECTION("too large for one answer") {
    home.put("/list", std::string(4u << 20, 'x'));
    CHECK(read_include(home.permit).trouble.present);
    return;
  }
  const auto answer = read_include(home.permit);
  CHECK(answer.trouble.text == expected);
  CHECK(answer.trouble.permanent == permanent);
}

TEST_CASE("nothing is done that no file of the user names") {
  Home home;
  home.put("/.forward", "\"|cat > mine\"\n/home/box, :include:/l\n");
  home.put("/list", "|sort\n");
  home.permit.list = home.path + "/list";
  const struct {
    const char* origin;
    Destination wanted;
    bool fine;
  } cases[] = {
      {"", {Kind::command, "anything"}, true},
      {"forward", {Kind::command, "cat > mine"}, true},
      {"forward", {Kind::command, "cat > yours"}, false},
      {"forward", {Kind::file, "/home/box"}, true},
      {"forward", {Kind::file, "cat > mine"}, false},
      {"forward", {Kind::include, "/l"}, true},
      {"include", {Kind::command, "sort"}, true},
      {"include", {Kind::command, "cat > mine"}, false},
  };
  for (const auto& each : cases) {
    CAPTURE(each.origin, each.wanted.text);
    home.permit.origin = each.origin;
    const Status status = check_origin(home.permit, home.names, each.wanted);
    CHECK(status.ok() == each.fine);
    if (!status) CHECK(status.trouble().temporary());
  }
}

TEST_CASE("a list in a list is read where the outer one names it") {
  Home home;
  home.put("/outer", ":include:" + home.path + "/inner\n");
  home.put("/inner", "carol\n");
  home.permit.origin = "include";
  home.permit.outer_list = home.path + "/outer";
  home.permit.list = home.path + "/inner";
  const auto named = [&](const std::string& path) {
    return check_origin(home.permit, home.names, {Kind::include, path}).ok();
  };
  CHECK(named(home.path + "/inner"));
  CHECK_FALSE(named(home.path + "/other"));
  CHECK(Permit::parse(home.permit.arguments())->outer_list ==
        home.permit.outer_list);
}

TEST_CASE("a worker sees the directories of the files that it may read") {
  Home home;
  home.permit.list = home.path + "/none/list";
  fs::create_directory(home.path + "/d");
  home.permit.forward_path =
      "$home/.forward+$extension $home/d/$user.fw $home/gone/$user "
      "$shell/x relative";
  CHECK(list_directories(home.permit) ==
        Texts{home.path, home.path + "/d"});
}

}  // namespace
}  // namespace postern::local
