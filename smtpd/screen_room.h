// How many clients are before, in and behind the screen of a process, and what
// follows from that: refusals and stress. Pure counting.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

namespace postern::smtpd {

class ScreenRoom {
 public:
  // The limit of clients under test (postscreen_pre_queue_limit).
  explicit ScreenRoom(std::int64_t limit) : limit_(limit) {}

  // A client has come; gives how many connections its address has now.
  std::int64_t arrived(const std::string& address);
  void left(const std::string& address);

  // Tested now; those that only have to be told to go are not.
  void test_begins();
  void test_ends();
  std::int64_t testing() const { return testing_; }
  // Passed, and waiting for a session.
  void wait_begins() { ++waiting_; }
  void wait_ends() { --waiting_; }
  std::int64_t waiting() const { return waiting_; }

  // Under stress from nine tenths of the limit up to when less than seven
  // tenths are left.
  bool stressed() const { return stressed_; }
  // Called at each change of that.
  void when_stressed(std::function<void()> callback) {
    changed_ = std::move(callback);
  }

 private:
  void reconsider();

  std::int64_t limit_;
  std::int64_t testing_ = 0, waiting_ = 0;
  bool stressed_ = false;
  std::function<void()> changed_;
  std::unordered_map<std::string, std::int64_t> clients_;
};

}  // namespace postern::smtpd
