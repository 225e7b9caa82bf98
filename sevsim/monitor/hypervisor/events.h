// The events that a guest can ask for through its GHCB page (GHCB specification, table 5): one row
// an event, with what it takes and who serves it.
#pragma once

#include "sevsim/monitor/hypervisor/ghcb_view.h"
#include "sevsim/monitor/vcpu.h"

namespace vestibule::sevsim {

/// What an event's call must mark valid, and what it may.
struct Inputs {
    Fields required;
    Fields optional;
};

enum class Answer : u8 { done, general_protection, invalid_input };

struct Event {
    u64 code;
    const char* name;
    Inputs (*inputs)(const GhcbView& ghcb);
    Answer (*serve)(Vcpu& vcpu, GhcbView& ghcb);
};

/// nullptr for an exit code that is not served.
const Event* find_event(u64 code);

} // namespace vestibule::sevsim
