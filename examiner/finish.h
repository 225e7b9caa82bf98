// SPDX-License-Identifier: BSD-2-Clause-Patent
// How the examiner ends: by the exit port of emulated machines, and where that is nothing by a
// termination request, as the selftest does.
#pragma once

namespace vestibule::examiner {

[[noreturn]] void finish(bool passed);

/// TAP's own word for a test that cannot go on.
[[noreturn]] void give_up(const char* why);

} // namespace vestibule::examiner
