#include "common/tables/engine.h"

#include <regex.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace postern::tables {
namespace {

Trouble unknown_flag(char flag) {
  return give_up("3.5", "unknown regexp option \"" + std::string(1, flag) +
                            "\": skipping this rule");
}

// ---- POSIX ------------------------------------------------------------------

class Posix : public Expression {
 public:
  Posix() = default;
  ~Posix() override {
    if (compiled_) regfree(&regex_);
  }
  int compile(const std::string& pattern, int flags) {
    const int error = regcomp(&regex_, pattern.c_str(), flags);
    compiled_ = error == 0;
    return error;
  }
  std::string error_text(int error) const {
    char text[256];
    regerror(error, &regex_, text, sizeof text);
    return text;
  }

  Result<bool> match(std::string_view text,
                     std::vector<Capture>* captures) const override {
    const char* start = text.data() ? text.data() : "";
    // Most rules do not match: find that out cheaply.
    regmatch_t whole{0, static_cast<regoff_t>(text.size())};
    int error = regexec(&regex_, start, 1, &whole, REG_STARTEND);
    std::vector<regmatch_t> places;
    if (error == 0 && captures) {
      places.resize(groups() + 1);
      places[0] = {0, static_cast<regoff_t>(text.size())};
      error =
          regexec(&regex_, start, places.size(), places.data(), REG_STARTEND);
    }
    if (error == REG_NOMATCH) return false;
    if (error != 0) return try_later("3.0", error_text(error));
    if (captures) {
      captures->clear();
      for (const regmatch_t& place : places)
        captures->push_back(
            place.rm_so < 0 ? Capture{}
                            : Capture{static_cast<std::size_t>(place.rm_so),
                                      static_cast<std::size_t>(place.rm_eo)});
    }
    return true;
  }
  unsigned groups() const override {
    return static_cast<unsigned>(regex_.re_nsub);
  }

 private:
  regex_t regex_{};
  bool compiled_ = false;
};

Result<std::unique_ptr<Expression>> compile_posix(const std::string& pattern,
                                                  std::string_view flags,
                                                  bool captures) {
  int options = REG_EXTENDED | REG_ICASE | (captures ? 0 : REG_NOSUB);
  for (const char flag : flags) {
    switch (flag) {
      case 'i':
        options ^= REG_ICASE;
        break;
      case 'm':
        options ^= REG_NEWLINE;
        break;
      case 'x':
        options ^= REG_EXTENDED;
        break;
      default:
        return unknown_flag(flag);
    }
  }
  auto expression = std::make_unique<Posix>();
  if (const int error = expression->compile(pattern, options); error != 0)
    return give_up("3.5", expression->error_text(error));
  return std::unique_ptr<Expression>(std::move(expression));
}

// ---- PCRE2 ------------------------------------------------------------------

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string pcre_error(int error) {
  PCRE2_UCHAR text[256];
  if (pcre2_get_error_message(error, text, sizeof text) < 0)
    return "error " + std::to_string(error);
  return reinterpret_cast<const char*>(text);
}

class Pcre : public Expression {
 public:
  explicit Pcre(pcre2_code* code)
      : code_(code),
        match_(pcre2_match_data_create_from_pattern(code, nullptr)) {
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups_);
  }

  Result<bool> match(std::string_view text,
                     std::vector<Capture>* captures) const override {
    if (!match_) return try_later("3.0", "out of memory");
    const char* start = text.data() ? text.data() : "";
    const int count =
        pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(start),
                    text.size(), 0, 0, match_.get(), nullptr);
    if (count == PCRE2_ERROR_NOMATCH) return false;
    if (count < 0) return try_later("3.0", pcre_error(count));
    if (captures) {
      const PCRE2_SIZE* places = pcre2_get_ovector_pointer(match_.get());
      captures->assign(groups_ + 1, Capture{});
      for (unsigned i = 0; i < static_cast<unsigned>(count); ++i)
        if (places[2 * i] != PCRE2_UNSET)
          (*captures)[i] = {places[2 * i], places[2 * i + 1]};
    }
    return true;
  }
  unsigned groups() const override { return groups_; }

 private:
  std::unique_ptr<pcre2_code, FreeCode> code_;
  std::unique_ptr<pcre2_match_data, FreeMatch> match_;
  std::uint32_t groups_ = 0;
};

Result<std::unique_ptr<Expression>> compile_pcre(const std::string& pattern,
                                                 std::string_view flags,
                                                 bool) {
  std::uint32_t options = PCRE2_CASELESS | PCRE2_DOTALL;
  for (const char flag : flags) {
    switch (flag) {
      case 'i':
        options ^= PCRE2_CASELESS;
        break;
      case 'm':
        options ^= PCRE2_MULTILINE;
        break;
      case 's':
        options ^= PCRE2_DOTALL;
        break;
      case 'x':
        options ^= PCRE2_EXTENDED;
        break;
      case 'A':
        options ^= PCRE2_ANCHORED;
        break;
      case 'E':
        options ^= PCRE2_DOLLAR_ENDONLY;
        break;
      case 'U':
        options ^= PCRE2_UNGREEDY;
        break;
      case 'X':
        // PCRE2 always refuses unknown escapes: nothing to switch.
        break;
      default:
        return unknown_flag(flag);
    }
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()),
                    pattern.size(), options, &error, &offset, nullptr);
  if (code == nullptr)
    return give_up("3.5", "error in regex at offset " + std::to_string(offset) +
                              ": " + pcre_error(error));
  return std::unique_ptr<Expression>(std::make_unique<Pcre>(code));
}

}  // namespace

const Engine regexp_engine{"regexp", "skipping", compile_posix};
const Engine pcre_engine{"pcre", "ignoring", compile_pcre};

}  // namespace postern::tables
