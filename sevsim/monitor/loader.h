// Puts an IGVM file into the machine as its platform's launch does.
#pragma once

#include "sevsim/monitor/vcpu.h"

#include <span>

namespace vestibule::sevsim {

/// Loads the pages and the vCPU's first state. Ends the run where the file cannot be launched here.
void load_igvm(Vcpu& vcpu, std::span<const u8> bytes);

} // namespace vestibule::sevsim
