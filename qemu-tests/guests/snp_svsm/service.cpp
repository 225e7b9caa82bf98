// A service at VMPL 0 for the tests: it gives VMPL 1 the image's memory, starts the kernel of the
// image there, and serves the core protocol of an SVSM (Secure VM Service Module specification,
// 58019). What is its own, VMPCK0 among it, the kernel cannot reach. Written against the
// specifications alone, as all of qemu-tests/guests/snp.
#include "qemu-tests/guests/snp/machine.h"
#include "x86/vmsa.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

extern "C" {
void service_main() asm("guest_main"); // of entry.asm, whose kernel has another name here
void kernel_main();                    // qemu-tests/guests/snp_library
[[gnu::visibility("hidden")]] extern const u8 entry64[]; // where the image's code begins
}

namespace {

constexpr u64 run_vmpl         = 0x016;
constexpr u64 answered         = 0x017;
constexpr u64 all_permissions  = 0xF00;
constexpr u64 guest_vmpl       = 1;
constexpr u64 make_vmsa_of_it  = bit(16) | guest_vmpl;
constexpr u64 core             = 0;
constexpr u64 result           = 0x8000'0000; // + what is wrong
constexpr u64 protocol_result  = 0x8000'1000;
constexpr u64 unknown_protocol = 1;
constexpr u64 unknown_call     = 2;
constexpr u64 bad_address      = 3;
constexpr u64 bad_parameter    = 5;
constexpr u64 no_change        = 0x10; // of PVALIDATE: CF

/// The service's own.
struct alignas(page_size) Own {
    u8 vmpck0[32];
    u64 calling_area;
    u64 calls;
};

constinit Own own{};
alignas(page_size) constinit u8 vmsa_page[page_size]{};
alignas(page_size) constinit u8 first_area[page_size]{};
alignas(page_size) constinit u8 stack[4 * page_size]{};

/// As the call finds them in the VMSA, and leaves them there.
x86::Vmsa& caller() { return *reinterpret_cast<x86::Vmsa*>(vmsa_page); }

u64 image_start() { return address_of(&own) & ~u64{0x1F'FFFF}; }

u64 end_of_image() { return address_of(image_end) + 2 * page_size; }

bool is_secret(u64 page) { return page == address_of(&own) || page == address_of(vmsa_page); }

/// Whether it is a page of the kernel's: of the image, or memory that is mapped here.
bool is_the_kernels(u64 gpa) {
    const bool in_image = gpa >= image_start() && gpa < end_of_image();
    const bool is_free  = gpa >= free_memory && gpa < free_memory + free_blocks * 0x20'0000;
    return (in_image || is_free) && !is_secret(gpa & ~u64{0xFFF}) && gpa != ghcb_gpa();
}

/// An entry of the list; 0, or the code of what went wrong.
u64 validate(u64 entry) {
    const u64 gpa       = entry & ~u64{0xFFF};
    const u32 size      = entry & 3;
    const bool validate = (entry & 4) != 0;
    if (size > 1 || (entry & 0xFF0) != 0 || (size == 1 && gpa % 0x20'0000 != 0)) {
        return result + bad_parameter;
    }
    if (!is_the_kernels(gpa)) {
        return result + bad_address;
    }
    const u64 done = pvalidate(gpa, size, validate ? 1 : 0);
    if ((done & 0xFFFF'FFFF) != 0) {
        return protocol_result + (done & 0xFFFF'FFFF);
    }
    if ((done & carry) != 0) {
        return protocol_result + no_change;
    }
    if (validate) {
        rmpadjust(gpa, size, all_permissions | guest_vmpl);
    }
    return 0;
}

/// The list lies in the calling area, a header and an entry for each page. Three at a time: whoever
/// calls has to reckon with a service that breaks off.
u64 serve_pvalidate(u64 gpa) {
    if (gpa % 8 != 0 || gpa < own.calling_area + 8 || gpa >= own.calling_area + page_size - 8) {
        return result + bad_address;
    }
    const u64 room      = (own.calling_area + page_size - gpa) / 8 - 1;
    volatile u16& count = at<u16>(gpa);
    volatile u16& next  = at<u16>(gpa + 2);
    const u16 entries   = count;
    if (entries == 0 || entries > room || next >= entries) {
        return result + bad_parameter;
    }
    for (unsigned n = 0; next < entries; ++n) {
        if (n == 100) {
            return result; // incomplete
        }
        if (const u64 code = validate(at(gpa + 8 + u64{next} * 8)); code != 0) {
            return code;
        }
        next = static_cast<u16>(next + 1);
    }
    return 0;
}

u64 serve_core(u32 code, x86::Vmsa& registers) {
    switch (code) {
    case 0: // SVSM_CORE_REMAP_CA
        if (registers.rcx % page_size != 0 || !is_the_kernels(registers.rcx)) {
            return result + bad_address;
        }
        own.calling_area = registers.rcx;
        return 0;
    case 1: return serve_pvalidate(registers.rcx);
    case 2: // SVSM_CORE_CREATE_VCPU: the VMSA, the new calling area, the APIC ID
        if (!is_the_kernels(registers.rcx) || !is_the_kernels(registers.rdx)
            || at<u8>(registers.rcx + offsetof(x86::Vmsa, vmpl)) != guest_vmpl) {
            return result + bad_parameter;
        }
        return rmpadjust(registers.rcx, 0, make_vmsa_of_it) == 0 ? 0 : result + bad_parameter;
    case 3: { // SVSM_CORE_DELETE_VCPU
        const u64 taken = rmpadjust(registers.rcx, 0, all_permissions | guest_vmpl);
        return taken == 0 ? 0 : protocol_result + taken;
    }
    case 6: // SVSM_CORE_QUERY_PROTOCOL
        registers.rcx = registers.rcx >> 32 == core ? u64{1} << 32 | 1 : 0;
        return 0;
    default: return result + unknown_call;
    }
}

void serve() {
    volatile u8& pending = at<u8>(own.calling_area);
    if (pending == 0) {
        return; // the hypervisor has run us for nothing
    }
    x86::Vmsa& registers = caller();
    const u64 call       = registers.rax;
    const auto code      = static_cast<u32>(call);
    ++own.calls;
    registers.rax = call >> 32 == core ? serve_core(code, registers) : result + unknown_protocol;
    pending       = 0;
}

/// The kernel finds us in its secrets page, and VMPCK0 does not.
void fill_secrets_page() {
    auto* const page = const_cast<u8*>(image_end) + page_size;
    memcpy(own.vmpck0, page + 0x20, sizeof own.vmpck0);
    memset(page + 0x20, 0, sizeof own.vmpck0);
    at(address_of(page) + 0x140)      = image_start(); // SVSM_BASE
    at(address_of(page) + 0x148)      = page_size;     // SVSM_SIZE
    at(address_of(page) + 0x150)      = address_of(first_area);
    at<u32>(address_of(page) + 0x158) = 1; // SVSM_MAX_VERSION
    at<u8>(address_of(page) + 0x15C)  = guest_vmpl;
}

} // namespace

void service_main() {
    start();
    fill_secrets_page();
    own.calling_area = address_of(first_area);
    rmpadjust(image_start(), 0, all_permissions | guest_vmpl); // the launch's page table
    for (u64 page = address_of(entry64) & ~u64{0xFFF}; page < end_of_image(); page += page_size) {
        if (page != ghcb_gpa() && !is_secret(page)) {
            rmpadjust(page, 0, all_permissions | guest_vmpl);
        }
    }
    make_vmsa(vmsa_page, kernel_main, stack + sizeof stack, guest_vmpl);
    rmpadjust(address_of(vmsa_page), 0, make_vmsa_of_it);
    put(field::rax, 1);
    if (call(0x8000'0013, guest_vmpl << 16 | 1, address_of(vmsa_page)).info_1 != 0) {
        check(false);
        finish();
    }
    while (msr_request(guest_vmpl << 32 | run_vmpl) == answered) {
        serve();
    }
    check(false);
    finish();
}
