// SPDX-License-Identifier: BSD-2-Clause-Patent
// Messages that the secure processor refuses, and that change nothing: the next good one is served.
#include "qemu-tests/guests/snp/message.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

namespace {

constexpr u64 bad_measurement = 0x0B;
constexpr u64 invalid_param   = 0x16;

constinit u8 payload[96]{};
alignas(page_size) constinit u8 answer[page_size]{};
alignas(page_size) constinit u8 private_page[page_size]{};

void prepare_report(u64 sequence) { prepare(0, report_request, sequence, payload, sizeof payload); }

u64 send_spoilt(void (*spoil)(MessageHeader&)) {
    prepare_report(1);
    spoil(prepared());
    return send();
}

} // namespace

void guest_main() {
    start();
    start_messages();
    // Headers that the firmware does not know, and a key that there is not.
    check(send_spoilt([](MessageHeader& header) { header.algorithm = 0; }) == invalid_param);
    check(send_spoilt([](MessageHeader& header) { header.version = 2; }) == invalid_param);
    check(send_spoilt([](MessageHeader& header) { header.size = 64; }) == invalid_param);
    check(send_spoilt([](MessageHeader& header) { header.vmpck = 4; }) == invalid_param);
    check(send_spoilt([](MessageHeader& header) { header.message_size = 4001; }) == invalid_param);
    // Changed on its way, and not encrypted at all.
    check(send_spoilt([](MessageHeader& header) { header.tag[0] ^= 1; }) == bad_measurement);
    check(send_spoilt([](MessageHeader& header) { header.reserved1 = 1; }) == bad_measurement);
    check(send_spoilt([](MessageHeader& header) {
              memset(&header + 1, 0, 96);
              memset(header.tag, 0, sizeof header.tag);
          })
          == bad_measurement);
    // Of a type and of a size that it does not serve.
    prepare(0, 9, 1, payload, sizeof payload);
    check(send() == invalid_param);
    prepare(0, report_request, 1, payload, 95);
    check(send() == invalid_param);
    // Sequence numbers: 0, one left out, and one used twice.
    prepare_report(0);
    check(send() == invalid_param);
    prepare_report(3);
    check(send() == invalid_param);
    prepare_report(1);
    u16 size = 0;
    check(send() == 0 && receive(answer, size));
    check(send() == invalid_param);
    prepare_report(3);
    check(send() == 0 && receive(answer, size));
    // The call itself: pages that are private, or the same one twice.
    check(call(guest_request, address_of(private_page), address_of(&prepared())).info_1 == refused);
    check(call(guest_request, address_of(&prepared()), address_of(&prepared())).info_1 == refused);
    finish();
}
