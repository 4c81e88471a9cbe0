// Links to cleanup that carry one message after another: who is done with one
// leaves it for the next.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/service/service.h"

namespace postern::smtpd {

class ContentPool {
 public:
  ContentPool(Service& service, std::string target)
      : service_(service), target_(std::move(target)) {}
  ContentPool(const ContentPool&) = delete;
  ContentPool& operator=(const ContentPool&) = delete;

  Task<Result<std::unique_ptr<ipc::Link>>> borrow();
  void give_back(std::unique_ptr<ipc::Link> link);

 private:
  Service& service_;
  std::string target_;
  std::vector<std::unique_ptr<ipc::Link>> idle_;
};

}  // namespace postern::smtpd
