// What is sent within one turn leaves in one call of the kernel, whatever number of records it is.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "security/secure_pair.h"

namespace {

struct SendCall {
  std::size_t vectors;
  ssize_t bytes;
};
std::vector<SendCall> send_calls;  // of the whole process

}  // namespace

// The loop is part of this program, so its calls come here.
extern "C" ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  const auto sent = static_cast<ssize_t>(syscall(SYS_sendmsg, descriptor, message, flags));
  send_calls.push_back({message->msg_iovlen, sent});
  return sent;
}
extern "C" ssize_t send(int descriptor, const void* bytes, std::size_t size, int flags) {
  const auto sent = static_cast<ssize_t>(syscall(SYS_sendto, descriptor, bytes, size, flags, nullptr, 0));
  send_calls.push_back({1, sent});
  return sent;
}

namespace trellis::test {
namespace {

class TlsBatching : public SecureEnds {};

TEST_F(TlsBatching, ATurnOfBulkSendingIsOneCall) {
  constexpr std::size_t kRecords = 10, kPlaintext = 16384, kRecordMore = 5 + 1 + 16;  // header, type, tag
  meet();
  const tests::Reader at_server(server);
  world.spin(3);  // tickets
  for (int turn = 0; turn < 5; ++turn) {
    send_calls.clear();
    for (std::size_t i = 0; i < kRecords; ++i) ASSERT_TRUE(client.send(client.allocate(kPlaintext)));
    EXPECT_TRUE(send_calls.empty());  // nothing leaves before the end of the turn
    world.spin(1);
    ASSERT_EQ(send_calls.size(), 1u);
    EXPECT_EQ(send_calls[0].vectors, kRecords);  // each sealed in place: nothing was put together by a copy
    EXPECT_EQ(send_calls[0].bytes, static_cast<ssize_t>(kRecords * (kPlaintext + kRecordMore)));
    EXPECT_TRUE(world.run_until([&] { return at_server.all.size() == (turn + 1) * kRecords * kPlaintext; }));
  }
}

}  // namespace
}  // namespace trellis::test
