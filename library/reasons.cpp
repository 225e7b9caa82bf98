// SPDX-License-Identifier: BSD-2-Clause-Patent
// Termination reasons in words, for kernels with a console. Apart, so that a kernel that does not
// ask for them does not carry them.
#include "ghcb/termination.h"
#include "library/end.h"

using namespace vestibule;

namespace {

const ghcb::TerminationReason* row_of(vestibule_reason reason) {
    const ghcb::Reason inner = library::inner_reason(reason);
    return ghcb::find_termination(inner.set, inner.code);
}

} // namespace

const char* vestibule_reason_name(vestibule_reason reason) {
    const auto* row = row_of(reason);
    return row != nullptr ? row->name : "";
}

const char* vestibule_reason_text(vestibule_reason reason) {
    const auto* row = row_of(reason);
    return row != nullptr ? row->meaning : "";
}
