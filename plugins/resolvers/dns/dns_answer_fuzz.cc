// Whatever a name server answers, through c-ares and our own reading: what comes of it is bounded and sound. The first
// byte says what was asked for.
#include <cstdlib>

#include "link_question.h"
#include "records.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis::dns;
  if (size == 0) return 0;
  constexpr ares_dns_rec_type_t kTypes[] = {ARES_REC_TYPE_A, ARES_REC_TYPE_AAAA, ARES_REC_TYPE_HTTPS, ARES_REC_TYPE_SRV,
                                            ARES_REC_TYPE_PTR};
  ares_dns_record_t* answer = nullptr;
  if (ares_dns_parse(data + 1, size - 1, 0, &answer) != ARES_SUCCESS) return 0;
  const char* name = nullptr;
  if (ares_dns_record_query_cnt(answer) > 0) ares_dns_record_query_get(answer, 0, &name, nullptr, nullptr);
  const auto section = (data[0] & 0x80) != 0 ? ARES_SECTION_ADDITIONAL : ARES_SECTION_ANSWER;
  const Records records =
      read_records(*answer, name == nullptr ? "a.example" : name, kTypes[(data[0] & 0x7f) % 5], section);
  ares_dns_record_destroy(answer);
  for (const std::string& instance : records.instances) {
    const auto question = write_question(1, instance, ARES_REC_TYPE_SRV);
    require(question.size() <= 12 + 255 + 4);
  }
  require(records.addresses.size() <= kAddressesMost && records.services.size() <= kServicesMost &&
          records.instances.size() <= kInstancesMost);
  require(records.outcome != Records::Outcome::failed || !records.why.empty());
  require(records.outcome != Records::Outcome::found || !records.addresses.empty() || !records.services.empty() ||
          !records.instances.empty());
  for (const ServiceRecord& service : records.services) {
    require(service.alpn.size() <= kAlpnMost);
    for (const auto& alpn : service.alpn) require(!alpn.empty());
    require(service.default_alpn || !service.alpn.empty());
  }
  return 0;
}
