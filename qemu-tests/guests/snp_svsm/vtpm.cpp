// SPDX-License-Identifier: BSD-2-Clause-Patent
// The vTPM protocol of the tests' service: a TPM of one command, TPM2_GetRandom (TPM 2.0 library,
// part 3), which is answered from RDRAND; all others are told that there is no such command.
#include "qemu-tests/guests/snp_svsm/service.h"

#include "x86/cpu.h"

namespace vestibule::snp_guest {

namespace {

constexpr u32 send_command = 8;
constexpr u16 no_sessions  = 0x8001;
constexpr u32 get_random   = 0x17B;
constexpr u32 command_code = 0x143; // TPM_RC_COMMAND_CODE
constexpr u32 command_size = 0x142; // TPM_RC_COMMAND_SIZE
constexpr u32 most_random  = 32;

u32 big(const u8* at, unsigned size) {
    u32 value = 0;
    for (unsigned n = 0; n < size; ++n) {
        value = value << 8 | at[n];
    }
    return value;
}

u8* put_big(u8* at, u32 value, unsigned size) {
    for (unsigned n = 0; n < size; ++n) {
        at[n] = static_cast<u8>(value >> (8 * (size - 1 - n)));
    }
    return at + size;
}

/// The response to a command; its size.
u32 answer(const u8* command, u32 size, u8* response) {
    u32 code   = 0;
    u32 random = 0;
    if (size < 10 || big(command + 2, 4) != size) {
        code = command_size;
    } else if (big(command, 2) != no_sessions || big(command + 6, 4) != get_random || size != 12) {
        code = command_code;
    } else {
        random = big(command + 10, 2);
        random = random < most_random ? random : most_random;
    }
    const u32 whole = code == 0 ? 12 + random : 10;
    u8* at          = put_big(response, no_sessions, 2);
    at              = put_big(at, whole, 4);
    at              = put_big(at, code, 4);
    if (code == 0) {
        at = put_big(at, random, 2);
        for (u32 n = 0; n < random; ++n) {
            u32 word = 0;
            while (!x86::Cpu::rdrand(word)) {
            }
            at[n] = static_cast<u8>(word);
        }
    }
    return whole;
}

} // namespace

u64 serve_vtpm(u32 code, x86::Vmsa& registers) {
    if (code == 0) {
        registers.rcx = u64{1} << send_command;
        registers.rdx = 0;
        return 0;
    }
    if (code != 1) {
        return result + unknown_call;
    }
    if (registers.rcx % page_size != 0 || !is_the_kernels(registers.rcx)) {
        return result + bad_address;
    }
    u8 request[64];
    auto* const page = reinterpret_cast<u8*>(registers.rcx);
    memcpy(request, page, sizeof request); // before anything in it is believed
    u32 size = 0;
    memcpy(&size, request + 5, sizeof size);
    if (big(request, 4) != send_command << 24 || size > sizeof request - 9) {
        return result + bad_parameter;
    }
    u8 response[64];
    const u32 whole = answer(request + 9, size, response);
    memcpy(page, &whole, sizeof whole);
    memcpy(page + 4, response, whole);
    return 0;
}

} // namespace vestibule::snp_guest
