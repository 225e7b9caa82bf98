// SPDX-License-Identifier: BSD-2-Clause-Patent
// The service runs what `igvmtool build --vmpl 1 --svsm` has put below it: the stub, by the record
// of the launch (boot/snp/service_launch.h). Memory below 1 GiB can be validated, and what
// lies from 4 GiB on.
#include "boot/snp/service_launch.h"
#include "qemu-tests/guests/snp_svsm/service.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

extern "C" {
void service_main(const boot::ServiceLaunch& launch) asm(
    "guest_main"); // of entry.asm, RDI as it was
}

namespace {

constexpr u64 block_size = 0x20'0000;

alignas(page_size) constinit u8 first_area[page_size]{};

u64 own_block() { return address_of(&own) & ~(block_size - 1); }

} // namespace

bool snp_guest::is_the_kernels(u64 gpa) {
    const bool is_own    = (gpa & ~(block_size - 1)) == own_block();
    const bool is_mapped = gpa < u64{1} << 30 || (gpa >= u64{4} << 30 && gpa < u64{512} << 30);
    return is_mapped && (!is_own || gpa == address_of(first_area));
}

void service_main(const boot::ServiceLaunch& launch) {
    start();
    map_all();
    map_above();
    own.vmpl = static_cast<u8>(launch.vmpl);
    fill_secrets_page(launch.secrets_page, own_block(), address_of(first_area));
    give_to_guest(address_of(first_area));
    for (u32 n = 0; n < launch.loaded_count; ++n) {
        const vestibule_memory_range& range = launch.loaded[n];
        for (u64 page = range.base; page != range.base + range.size; page += page_size) {
            give_to_guest(page);
        }
    }
    own.clients[0].vmsa = launch.vmsa;
    run_guest();
}
