#include "smtpd/screen_room.h"

namespace postern::smtpd {

std::int64_t ScreenRoom::arrived(const std::string& address) {
  return ++clients_[address];
}

void ScreenRoom::left(const std::string& address) {
  const auto found = clients_.find(address);
  if (found != clients_.end() && --found->second == 0) clients_.erase(found);
}

void ScreenRoom::test_begins() {
  ++testing_;
  reconsider();
}

void ScreenRoom::test_ends() {
  --testing_;
  reconsider();
}

void ScreenRoom::reconsider() {
  const bool before = stressed_;
  if (limit_ <= 0) return;
  if (!stressed_ && testing_ * 10 >= limit_ * 9) stressed_ = true;
  else if (stressed_ && testing_ * 10 < limit_ * 7) stressed_ = false;
  if (stressed_ != before && changed_) changed_();
}

}  // namespace postern::smtpd
