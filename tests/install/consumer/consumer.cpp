// SPDX-License-Identifier: BSD-2-Clause-Patent
// Uses the decoder by the C++ headers and the table of reasons by the archive, as a tool on a host
// might.
#include "every_header.h"

#include <vestibule/vestibule.h>

#include <cstring>

using namespace vestibule;

static bool decodes(vc::Mnemonic wanted, u8 first, u8 second) {
    const u8 code[]   = {first, second};
    unsigned n        = 0;
    const auto result = vc::decode(vc::CodeSize::bits64, [&](u8& byte) {
        byte = n < sizeof(code) ? code[n] : u8{0};
        return n++ < sizeof(code);
    });
    return result.error == vc::DecodeError::none && result.instruction.mnemonic == wanted;
}

int main() {
    const bool decoder = decodes(vc::Mnemonic::cpuid, 0x0F, 0xA2)
                         && decodes(vc::Mnemonic::rdmsr, 0x0F, 0x32)
                         && !decodes(vc::Mnemonic::cpuid, 0xA2, 0x0F);
    const bool reasons = std::strcmp(vestibule_reason_name(0x230), "VC_OPCODE_MISMATCH") == 0
                         && std::strcmp(vestibule_reason_name(0x2EE), "") == 0;
    return decoder && reasons ? 0 : 1;
}
