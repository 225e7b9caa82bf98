// SPDX-License-Identifier: BSD-2-Clause-Patent
// A guest that speaks to the secure processor of the tests through a hypervisor of the tests.
#pragma once

#include "snp/requests.h"
#include "tests/ghcb/mock.h"
#include "tests/snp/firmware.h"

namespace vestibule::test {

class RequestsTest : public GhcbTest {
  protected:
    static constexpr u64 request_gpa  = 0x0090'0000;
    static constexpr u64 response_gpa = 0x0090'1000;
    static constexpr u64 busy         = u64{2} << 32;

    RequestsTest() {
        for (unsigned number = 0; number < 4; ++number) {
            for (unsigned n = 0; n < 32; ++n) {
                secrets.vmpck[number][n] = static_cast<u8>(number * 40 + n + 1);
                firmware.keys[number][n] = secrets.vmpck[number][n];
            }
        }
        firmware.answer = [](std::span<const u8> asked) {
            return std::vector<u8>{asked.begin(), asked.end()};
        };
        on_vmgexit([this](RawPage view) { hypervisor(view); });
    }

    /// Honest, but for what a test puts in its place.
    std::function<void(RawPage)> hypervisor = [this](RawPage view) { carry(view); };

    /// Looks at the message and takes it to the firmware; its answer is in the response page.
    u32 carry_message() {
        sent.push_back(request_page);
        nonces.see(request_page);
        MessagePage response = response_page;
        const u32 status     = firmware.serve(request_page, response);
        response_page        = response;
        return status;
    }

    void carry(RawPage view) { view.answer(0, carry_message()); }

    /// Denied: the message is seen, and not carried.
    void refuse(RawPage view, u64 exitinfo1, u64 exitinfo2) {
        sent.push_back(request_page);
        nonces.see(request_page);
        view.answer(exitinfo1, exitinfo2);
    }

    ghcb::Outcome open(u8 vmpck = 0) {
        return snp::open_messages(messages, secrets, vmpck, {request_page.data(), request_gpa},
                                  {response_page.data(), response_gpa});
    }

    /// A message of some bytes; the firmware sends them back.
    ghcb::Outcome ask(std::string_view text, snp::CertificatePages* pages = nullptr) {
        return snp::GuestRequests<MockCpu>{messages, channel}.ask(
            {.type    = snp::MessageType::report_request,
             .version = 1,
             .payload = text.data(),
             .size    = static_cast<u16>(text.size())},
            pages);
    }

    std::string_view answer() {
        const snp::GuestRequests<MockCpu> requests{messages, channel};
        return {reinterpret_cast<const char*>(requests.answer()), requests.answer_size()};
    }

    alignas(4096) MessagePage request_page{};
    alignas(4096) MessagePage response_page{};
    snp::SecretsPage secrets{};
    snp::GuestMessages messages{};
    Firmware firmware;
    NonceWatch nonces;
    std::vector<MessagePage> sent;
};

} // namespace vestibule::test
