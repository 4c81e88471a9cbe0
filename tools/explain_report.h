// What postern explain has found out, in order, and how it is printed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/access/trace.h"
#include "common/config/config.h"

namespace postern::tools {

// A restriction that was applied, or a question asked meanwhile.
struct Step {
  enum class Kind { stage, restriction, question };
  Kind kind = Kind::restriction;
  int depth = 0;
  std::string text;     // parameter, restriction with argument, question
  std::string outcome;  // "go on", "permit", "reject", the answer
  std::string reply;
  std::string file;
  int line = 0;
};

struct Route {
  std::string address, address_class, transport, nexthop;
};

class Report final : public access::Trace {
 public:
  explicit Report(const config::Config& config);

  void stage(std::string_view parameter) override;
  void begins(const access::Restriction& restriction, int depth) override;
  void ends(const access::Restriction& restriction, int depth,
            std::string_view outcome, std::string_view reply) override;
  // Between begins and ends: what was asked, what was answered.
  void asked(std::string question, std::string answer);

  void client_is(std::string shown) { client_ = std::move(shown); }
  void replied(std::string reply);
  // The reply that the mail log tells of.
  void was(std::string reply) { logged_ = std::move(reply); }
  void rewritten(std::string from, std::string to, std::string by);
  void routed(Route route) { routes_.push_back(std::move(route)); }

  std::string text() const;
  std::string json() const;

 private:
  struct Rewriting {
    std::string from, to, by;
  };
  const Step* deciding() const;
  std::optional<Step> parameter_that_decided() const;
  std::string place(const Step& step) const;
  void locate(Step& step);

  const config::Config& config_;
  std::string content_;  // of main.conf
  std::string parameter_;
  std::vector<std::string> within_;  // classes that the walk is in
  std::vector<Step> steps_;
  std::vector<std::size_t> open_;
  std::string client_, reply_, logged_;
  std::vector<Rewriting> rewritings_;
  std::vector<Route> routes_;
};

}  // namespace postern::tools
