// SPDX-License-Identifier: BSD-2-Clause-Patent
// Messages between a guest and the secure processor (SEV-SNP firmware ABI, 56860, chapter 7 and
// SNP_GUEST_REQUEST): the hypervisor carries them and can read nothing, change nothing and repeat
// nothing.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// How SNP_GUEST_REQUEST ends: the status of the firmware's commands.
enum class FirmwareStatus : u32 {
    success         = 0x00,
    bad_measurement = 0x0B, // here: a message whose tag is another
    invalid_param   = 0x16,
    aead_overflow   = 0x1D, // the counter of messages has come to its end
};

/// Serves one message of a page and writes the answer into another; a copy, so that nobody changes
/// it meanwhile. What is refused changes nothing.
FirmwareStatus serve_guest_message(const u8* request, u8* response);

/// True where the message asks for a report, which is what certificates come with.
bool asks_for_report(const u8* request);

} // namespace vestibule::sevsim
