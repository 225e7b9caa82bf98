// SPDX-License-Identifier: BSD-2-Clause-Patent
// Measures what a unified kernel image carries into PCR 11 of the machine's TPM, as systemd-stub
// does, so that what is sealed to the one can be unsealed under the other (TCG EFI Protocol
// Specification, family 2.0, section 6.6, HashLogExtendEvent; systemd-stub(7), "TPM PCR notes").
#pragma once

#include "kernel/uki.h"

namespace vestibule::efi {

/// Each section of the image that such images have and that is there, in their canonical order: its
/// name with its zero, then its data. How many sections were measured: 0 where firmware has no TPM.
/// The firmware logs what it extends.
unsigned measure_sections(kernel::Bytes image);

} // namespace vestibule::efi
