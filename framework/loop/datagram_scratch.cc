// datagram_scratch.cc: see datagram_scratch.h.
#include "loop/datagram_scratch.h"

#include <netinet/udp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace trellis {

namespace {

constexpr std::uint32_t kLargestDatagram = 64 * 1024;
constexpr std::uint32_t kDatagramBlock = 2432;

template <class T>
T read_value(const cmsghdr& header) noexcept {
  T value;
  std::memcpy(&value, CMSG_DATA(&header), sizeof value);
  return value;
}

Address address_of(const in_pktinfo& info) noexcept {
  Address address;
  address.family = Address::Family::ipv4;
  std::memcpy(address.ip.data(), &info.ipi_spec_dst, sizeof info.ipi_spec_dst);
  return address;
}

Address address_of(const in6_pktinfo& info) noexcept {
  Address address;
  address.family = Address::Family::ipv6;
  std::memcpy(address.ip.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
  if (is_link_local(address)) address.scope = static_cast<std::uint32_t>(info.ipi6_ifindex);
  return address;
}

void read_note(const cmsghdr& header, DatagramNotes& notes) noexcept {
  if (header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_TOS)
    notes.ecn = read_value<std::uint8_t>(header) & 3;
  else if (header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_TCLASS)
    notes.ecn = read_value<int>(header) & 3;
  else if (header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_PKTINFO)
    notes.local = address_of(read_value<in_pktinfo>(header));
  else if (header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_PKTINFO)
    notes.local = address_of(read_value<in6_pktinfo>(header));
  else if (header.cmsg_level == SOL_UDP && header.cmsg_type == UDP_GRO)
    notes.segment_size = static_cast<std::uint16_t>(read_value<int>(header));
}

}  // namespace

DatagramScratch::DatagramScratch(SizeClassPool& pool, bool segments)
    : pool_(pool),
      block_size_(segments ? kLargestDatagram : kDatagramBlock),
      copied_(segments ? kLargestDatagram / 4 : SizeClassPool::kCapacities[0]),
      count_(segments ? 16 : kMost) {
  if (!segments) {
    void* memory = mmap(nullptr, kMost * kLargestDatagram, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      std::fprintf(stderr, "trellis: out of address space for receiving datagrams: %s\n", strerrordesc_np(errno));
      std::abort();
    }
    overflow_ = static_cast<std::byte*>(memory);
  }
  for (std::size_t i = 0; i < count_; ++i) {
    messages_[i] = {};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = &names_[i];
    header.msg_iov = vectors_[i].data();
    header.msg_iovlen = overflow_ == nullptr ? 1 : 2;
    header.msg_control = &controls_[i];
    if (overflow_ != nullptr) vectors_[i][1] = {overflow_ + i * kLargestDatagram, kLargestDatagram};
    renew(i);
  }
}

DatagramScratch::~DatagramScratch() {
  if (overflow_ != nullptr) munmap(overflow_, kMost * kLargestDatagram);
}

void DatagramScratch::renew(std::size_t i) {
  if (blocks_[i].size() == 0) {
    blocks_[i] = pool_.allocate(0, block_size_, 0);
    vectors_[i][0] = {blocks_[i].edit().data(), block_size_};
  }
  messages_[i].msg_hdr.msg_namelen = sizeof names_[i];
  messages_[i].msg_hdr.msg_controllen = sizeof controls_[i];
}

int DatagramScratch::receive(int descriptor, std::size_t most) noexcept {
  int received;
  do {
    received = ::recvmmsg(descriptor, messages_.data(), static_cast<unsigned>(std::min(most, count_)), 0, nullptr);
  } while (received < 0 && errno == EINTR);
  return received;
}

DatagramNotes DatagramScratch::notes(std::size_t i) const noexcept {
  DatagramNotes notes;
  msghdr header = messages_[i].msg_hdr;
  for (cmsghdr* note = CMSG_FIRSTHDR(&header); note != nullptr; note = CMSG_NXTHDR(&header, note))
    read_note(*note, notes);
  return notes;
}

Slice DatagramScratch::take(std::size_t i) {
  const std::uint32_t size = messages_[i].msg_len;
  Slice taken;
  if (size > copied_ && size <= block_size_) {
    taken = std::move(blocks_[i]);
    taken.drop_back(block_size_ - size);
  } else {
    taken = pool_.allocate(0, size, 0);
    const std::uint32_t in_block = std::min(size, block_size_);
    if (in_block > 0) std::memcpy(taken.edit().data(), blocks_[i].bytes().data(), in_block);
    if (size > in_block) std::memcpy(taken.edit().data() + in_block, vectors_[i][1].iov_base, size - in_block);
  }
  renew(i);
  return taken;
}

}  // namespace trellis
