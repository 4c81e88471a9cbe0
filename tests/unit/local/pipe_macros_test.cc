// The command line of pipe rows.
#include "local/pipe_macros.h"

#include <catch2/catch.hpp>

namespace postern::local {
namespace {

using Words = std::vector<std::string>;

ipc::DeliverRequest request_of(Words recipients) {
  ipc::DeliverRequest request;
  request.queue_id = "QID";
  request.sender = "S p@Far.test";
  request.nexthop = "Next.Hop";
  request.content_size = 123;
  request.attributes = {{"log_client_address", "192.0.2.1"},
                        {"sasl_username", "u"}};
  for (std::string& each : recipients) {
    ipc::DeliverRecipient one;
    one.address = std::move(each);
    request.recipients.push_back(std::move(one));
  }
  request.recipients[0].original = "Orig+E@Was.test";
  return request;
}

// The words of an argument, or its trouble.
Words expand(const std::string& text, const std::string& flags,
             const ipc::DeliverRequest& request) {
  const auto argument = PipeArgument::parse(text);
  if (!argument) return {"! " + argument.trouble().text};
  Words words;
  const Status done =
      argument->expand({flags, "NULL", "+", true, "double-bounce"}, request,
                       words);
  if (!done) return {"! " + done.trouble().text};
  return words;
}

TEST_CASE("macros are filled in, per recipient where they are a recipient's") {
  const auto request = request_of({"Foo+Ext@Pipe.test", "b c@p.test"});
  const struct {
    const char* text;
    const char* flags;
    Words expected;
  } cases[] = {
      {"plain", "", {"plain"}},
      {"", "", {""}},
      {"$$x", "", {"$x"}},
      {"${sender}", "", {"S p@Far.test"}},
      {"${sender}", "hu", {"S p@Far.test"}},
      {"$sender", "q", {"\"S p\"@Far.test"}},
      {"$(nexthop)", "", {"Next.Hop"}},
      {"$nexthop", "h", {"next.hop"}},
      {"z=${size},$queue_id", "", {"z=123,QID"}},
      {"${client_address}/${client_helo}", "", {"192.0.2.1/"}},
      {"${sasl_username}${sasl_method}", "", {"u"}},
      {"r=$recipient", "", {"r=Foo+Ext@Pipe.test", "r=b c@p.test"}},
      {"$recipient", "hqu", {"foo+ext@pipe.test", "\"b c\"@p.test"}},
      {"$recipient", "h", {"Foo+Ext@pipe.test", "b c@p.test"}},
      {"$recipient", "u", {"foo+ext@Pipe.test", "b c@p.test"}},
      {"$original_recipient", "", {"Orig+E@Was.test", "b c@p.test"}},
      {"$original_recipient", "hu", {"orig+e@was.test", "b c@p.test"}},
      {"$user", "", {"Foo", "b c"}},
      {"$user/$extension", "u", {"foo/ext", "b c/"}},
      {"$mailbox", "q", {"Foo+Ext", "b c"}},
      {"$domain", "", {"Pipe.test", "p.test"}},
      {"$domain", "h", {"pipe.test", "p.test"}},
  };
  for (const auto& each : cases) {
    CAPTURE(each.text, each.flags);
    CHECK(expand(each.text, each.flags, request) == each.expected);
  }
}

TEST_CASE("the shell's characters are characters") {
  const auto request = request_of({"`id`;$(x)|&<>\\\"'@p.test"});
  CHECK(expand("$user", "", request) == Words{"`id`;$(x)|&<>\\\"'"});
}

TEST_CASE("the null sender is what the row says") {
  auto request = request_of({"a@b.test"});
  request.sender.clear();
  CHECK(expand("$sender", "q", request) == Words{"NULL"});
}

TEST_CASE("what cannot be filled in is told") {
  const auto request = request_of({"nodomain"});
  const std::pair<const char*, const char*> cases[] = {
      {"$nothing", "! unknown macro name: \"nothing\""},
      {"${user?x}", "! unknown macro name: \"user?x\""},
      {"$", "! unknown macro name: \"\""},
      {"${user", "! truncated macro reference: \"${user\""},
      {"$domain", "! no @ in recipient address: nodomain"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(expand(text, "", request) == Words{expected});
  }
  CHECK(expand("$user", "", request_of({"@x.test"})) ==
        Words{"! null username in \"@x.test\""});
  CHECK(expand("$user", "", request_of({std::string("a\0b@x.test", 10)})) ==
        Words{"! zero byte in ${user}"});
}

}  // namespace
}  // namespace postern::local
