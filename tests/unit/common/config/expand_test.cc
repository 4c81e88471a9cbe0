#include "common/config/expand.h"

#include <catch2/catch.hpp>
#include <map>

using postern::config::compare_levels;
using postern::config::expand;

namespace {

class Fixed : public postern::config::Names {
 public:
  std::optional<std::string> find(std::string_view name) const override {
    static const std::map<std::string, std::string, std::less<>> values = {
        {"host", "h.d"},      {"empty", ""},        {"alias", "<$host>"},
        {"loop", "$pool"},    {"pool", "$loop"},    {"ten", "10"},
        {"wide", "$w1$w1"},   {"w1", "$w2$w2$w2"},  {"w2", "$w3$w3$w3$w3"},
        {"w3", "$w4$w4$w4"},  {"w4", "$w5$w5$w5"},  {"w5", "$w6$w6$w6$w6"},
        {"w6", "$w7$w7$w7$w7$w7$w7$w7$w7$w7$w7"},   {"w7", "$w8$w8$w8$w8$w8"},
        {"w8", "$w9$w9$w9$w9$w9$w9$w9$w9$w9$w9$w9"}, {"w9", "$wa$wa$wa$wa"},
        {"wa", "$wb$wb$wb$wb$wb$wb$wb$wb$wb"},      {"wb", "x"},
    };
    auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  }
  void undefined(std::string_view name) const override {
    missing += std::string(name) + " ";
  }
  mutable std::string missing;
};

}  // namespace

TEST_CASE("names in values are replaced") {
  auto [text, expected] =
      GENERATE(table<std::string, std::string>({
          {"plain", "plain"},
          {"$host.x", "h.d.x"},
          {"${host}x $(host)", "h.dx h.d"},
          {"$alias", "<h.d>"},
          {"a$$b$$$$c", "a$b$$c"},
          {"${host?yes} ${empty?yes}.", "yes ."},
          {"${host:no} ${empty:no} ${nope:no}", " no no"},
          {"${host?{a b}:{c}} ${empty?{a b}:{c}}", "a b c"},
          {"${host ? {a} : {b}}", "a"},
          {"x${host?{ a }}y", "x a y"},
          {"x${host? a }y", "x a y"},
          {"${host?{a}:b}${empty?{a}:b}", "ab"},
          {"$(empty?{a}:{$host})", "h.d"},
          {"${ host }", "h.d"},
          {"${{a} == {a}}|${{a} == {b}}", "true|"},
          {"${{a} == {a} ? b : c}", " b : c"},
          {"${{$host}=={h.d}?{b}:{c}}", "b"},
          {"${{ a } == {a}?{b}:{c}}", "c"},
          {"${{$ten} < {9}?{b}:{c}}", "c"},
          {"${{10a} < {9}?{b}:{c}}", "b"},
          {"${{abc} != {abd} ? {x}}", "x"},
          {"${{9} >= {09} ? {x}}${{9} <= {8} ? {x}}${{2} > {1} ? {y}}", "xy"},
          {"${{a} == {b} : {else}}", "else"},
          {"${{3.10} <level {3.9} ? {b}:{c}}", "c"},
          {"${{3} <=level {3.6} ? {b}:{c}}", "b"},
          {"${{99999999999999999999} > {1} ? {b}:{c}}", "b"},
          {"${{a} == {a} ? {${host?$host}}} t", "h.d t"},
      }));
  CAPTURE(text);
  auto result = expand(text, Fixed());
  REQUIRE(result.ok());
  CHECK(*result == expected);
}

TEST_CASE("what cannot be expanded is told in Postfix's words") {
  auto [text, expected] =
      GENERATE(table<std::string, std::string>({
          {"${", "truncated macro reference: \"${\""},
          {"x ${unterminated", "truncated macro reference: \"${unterminated\""},
          {"$(host}", "truncated macro reference: \"$(host}\""},
          {"$", "empty macro name: \"$\""},
          {"a $- b", "empty macro name: \"a $- b\""},
          {"${}", "empty macro name: \"${}\""},
          {"$loop", "unreasonable macro call nesting: \"loop\""},
          {"${host=a}", "attribute name syntax error at: \"...host>>>=a\""},
          {"${host?{a}x}", "\":\" expected at: \"...host?{a}>>>x\""},
          {"${host?{a}:{b}x}", "unexpected input at: \"...host?{a}:{b}>>>x\""},
          {"${{a}==a?{b}:{c}}", "bad operator suffix at: \"...{a}==a>>>?{b}:{c}\""},
          {"${{a} == }", "\"{expression}\" expected at: \"...{a} == >>>\""},
          {"${{a} == {b} z}", "\"?\" or \":\" expected at: \"...{a} == {b} >>>z\""},
          {"${{x} <level {3.9} ? {b}}",
           "malformed compatibility level syntax: \"x\""},
      }));
  CAPTURE(text);
  auto result = expand(text, Fixed());
  REQUIRE(!result.ok());
  CHECK(result.trouble().text == expected);
  CHECK(!result.trouble().temporary());
}

TEST_CASE("names without value are nothing, and are told") {
  Fixed names;
  auto result = expand("${nope}|$nor|${silent?x}", names);
  REQUIRE(result.ok());
  CHECK(*result == "||");
  CHECK(names.missing == "nope nor ");
}

TEST_CASE("a value that grows without measure is refused") {
  CHECK(!expand("$wide", Fixed()).ok());
}

TEST_CASE("compatibility levels are compared part by part") {
  CHECK(*compare_levels("3.6", "3.10") == -1);
  CHECK(*compare_levels("2", "2.0.0") == 0);
  CHECK(*compare_levels("3.6.1", "3.6") == 1);
  CHECK(!compare_levels("3.", "3").ok());
  CHECK(!compare_levels("3", "1.2.3.4").ok());
}
