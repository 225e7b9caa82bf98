// MOV to and from CR0 and CR3, LMSW and CLTS. Hardware lets an SEV-ES guest use them unseen; here
// they are intercepted, since paging decides which view of memory the guest has.
#pragma once

#include "sevsim/monitor/vcpu.h"

namespace vestibule::sevsim {

void read_cr3(Vcpu& vcpu);
void write_cr3(Vcpu& vcpu);
void write_cr0(Vcpu& vcpu);

} // namespace vestibule::sevsim
