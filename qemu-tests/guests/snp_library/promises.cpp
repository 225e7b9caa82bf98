// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the library does for an SEV-SNP kernel, by a kernel that goes on with nothing less than what
// it has asked for: any reason ends it, and what it gets it holds against what it knows. Campaigns
// of attacks (campaigns.cmake) come to a right result with it, a right exception, or a coded end.
#include "qemu-tests/guests/snp_library/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_kernel;
namespace reason = ghcb::reason;

namespace {

constexpr u64 table_pages = 4;

alignas(page_size) constinit u8 page[page_size]{};
alignas(page_size) constinit u8 request_page[page_size]{};
alignas(page_size) constinit u8 response_page[page_size]{};
alignas(page_size) constinit u8 shared_pages[table_pages * page_size]{};
alignas(page_size) constinit u8 table[table_pages * page_size]{};
alignas(8) constinit u8 report[VESTIBULE_SNP_REPORT_SIZE]{};
constinit vestibule_snp_messages messages{};
constinit vestibule_snp_range ranges[4]{};
constinit vestibule_snp_record record{};

void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

/// A host may be busy; this one is never more than once in a row.
template <class Ask>
void must_in_the_end(Ask ask) {
    vestibule_reason result = ask();
    for (unsigned n = 0; n < 3 && result == of(reason::request_busy); ++n) {
        result = ask();
    }
    must(result);
}

volatile u64& word_at(u64 linear) { return *reinterpret_cast<volatile u64*>(linear); }

void identify_by_cpuid() {
    const x86::CpuidResult vendor = x86::Cpu::cpuid(0);
    check(vendor.ebx == 0x6874'7541 && vendor.ecx == 0x444D'4163 && vendor.edx == 0x6974'6E65,
          "CPUID 0");
    const x86::CpuidResult encryption = x86::Cpu::cpuid(0x8000'001F);
    check((encryption.eax & 0x1A) == 0x1A && bit(encryption.ebx & 0x3F) == c_bit(),
          "CPUID 0x8000001F");
    say("identified");
}

void share_and_take_back() {
    const u64 at = address_of(page);
    word_at(at)  = 0x5EC2E7;
    must(vestibule_share(cpu(), at, at, at, &mapper()));
    must(vestibule_unshare(cpu(), at, at, at, &mapper()));
    check(word_at(at) == 0, "zeros when private");
    word_at(at) = 0x5EC2E7;
    say("shared");
}

/// By small pages, the rest of 4 MiB around them, and large pages.
void accept() {
    constexpr u64 parts[] = {3 * page_size, small_memory_end - small_memory,
                             large_memory_end - small_memory};
    record                = {.ranges = ranges, .most = 4, .count = 0};
    must(vestibule_snp_has_accepted(&record, address_of(page) & ~(x86::large_page_size - 1),
                                    address_of(image_end) + 2 * page_size));
    for (const u64 size : parts) {
        must(vestibule_snp_accept(cpu(), &record, small_memory, small_memory, size));
        word_at(small_memory + size - sizeof(u64)) = size;
    }
    for (const u64 size : parts) {
        check(word_at(small_memory + size - sizeof(u64)) == size, "memory keeps what is written");
    }
    check(word_at(address_of(page)) == 0x5EC2E7, "a page keeps what is written");
    say("accepted");
}

void ask_the_secure_processor() {
    const vestibule_snp_pages pages{.request      = address_of(request_page),
                                    .request_gpa  = address_of(request_page),
                                    .response     = address_of(response_page),
                                    .response_gpa = address_of(response_page)};
    share(request_page, 1);
    share(response_page, 1);
    share(shared_pages, table_pages);
    must(vestibule_snp_open_messages(cpu(), &messages, image_end + page_size, 0, &pages));

    constexpr u64 report_data = 0x50; // in a report (firmware ABI 56860, section 7.3)
    vestibule_snp_report_request request{};
    request.vmpl                        = vmpl();
    request.report_data[0]              = 1;
    vestibule_snp_certificates obtained = {.shared     = address_of(shared_pages),
                                           .shared_gpa = address_of(shared_pages),
                                           .table      = table,
                                           .pages      = table_pages,
                                           .reserved   = 0,
                                           .size       = 0};
    // The second is another report: an answer once more would be the first one's.
    for (unsigned n = 0; n < 2; ++n) {
        const bool with_certificates = n == 1;
        size_t size                  = sizeof report;
        ++request.report_data[0];
        must_in_the_end([&] {
            return with_certificates
                       ? vestibule_snp_extended_report(cpu(), &messages, &request, report, &size,
                                                       &obtained)
                       : vestibule_snp_report(cpu(), &messages, &request, report, &size);
        });
        check(size == sizeof report && report[report_data] == request.report_data[0],
              "a report over what it was asked for");
    }
    say("reported");

    u8 keys[2][32]{};
    const vestibule_snp_key_request of_what{};
    for (u8(&key)[32] : keys) {
        must_in_the_end([&] { return vestibule_snp_derived_key(cpu(), &messages, &of_what, key); });
    }
    u8 any  = 0;
    bool is = true;
    for (unsigned n = 0; n < sizeof keys[0]; ++n) {
        any = static_cast<u8>(any | keys[0][n]);
        is  = is && keys[0][n] == keys[1][n];
    }
    check(any != 0 && is, "the same key");
    say("derived");
}

} // namespace

void guest_main() {
    start();
    identify_by_cpuid();
    share_and_take_back();
    accept();
    ask_the_secure_processor();
    end_run();
}
