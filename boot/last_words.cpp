// SPDX-License-Identifier: BSD-2-Clause-Patent
// The end of the guest at a #VC or another exception. Linked beside the payload, whose last page
// has room (boot/CMakeLists.txt): the stub's own pages are full to the last bytes.
#include "ghcb/last_words.h"

#include "boot/fatal.h"
#include "boot/interrupts.h"

namespace vestibule::boot {

[[clang::minsize]] void fail_at(const vc::Frame& frame, ghcb::Reason reason) {
    vc::Context& context = vc_context();
    ghcb::leave_last_words(context.ghcb, reason, frame.rip, frame.error_code, context.culprit);
    fail(reason);
}

} // namespace vestibule::boot
