// SPDX-License-Identifier: BSD-2-Clause-Patent
// The service gives VMPL 1 the image's memory and starts the kernel of the image there. What is its
// own, VMPCK0 among it, the kernel cannot reach.
#include "qemu-tests/guests/snp_svsm/service.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

extern "C" {
void service_main() asm("guest_main"); // of entry.asm, whose kernel has another name here
void kernel_main();                    // qemu-tests/guests/snp_library
[[gnu::visibility("hidden")]] extern const u8 entry64[]; // where the image's code begins
}

namespace {

constexpr u8 guest_vmpl = 1;

alignas(page_size) constinit u8 vmsa_page[page_size]{};
alignas(page_size) constinit u8 first_area[page_size]{};
alignas(page_size) constinit u8 stack[4 * page_size]{};

u64 image_start() { return address_of(&own) & ~u64{0x1F'FFFF}; }

u64 end_of_image() { return address_of(image_end) + 2 * page_size; }

bool is_secret(u64 page) { return page == address_of(&own) || page == address_of(vmsa_page); }

} // namespace

/// Of the image, or memory that is mapped here.
bool snp_guest::is_the_kernels(u64 gpa) {
    const bool in_image = gpa >= image_start() && gpa < end_of_image();
    const bool is_free  = gpa >= free_memory && gpa < free_memory + free_blocks * 0x20'0000;
    return (in_image || is_free) && !is_secret(gpa & ~u64{0xFFF}) && gpa != ghcb_gpa();
}

void service_main() {
    start();
    own.vmpl = guest_vmpl;
    fill_secrets_page(address_of(image_end) + page_size, image_start(), address_of(first_area));
    give_to_guest(image_start()); // the launch's page table
    for (u64 page = address_of(entry64) & ~u64{0xFFF}; page < end_of_image(); page += page_size) {
        if (page != ghcb_gpa() && !is_secret(page)) {
            give_to_guest(page);
        }
    }
    make_vmsa(vmsa_page, kernel_main, stack + sizeof stack, guest_vmpl);
    own.clients[0].vmsa = address_of(vmsa_page);
    run_guest();
}
