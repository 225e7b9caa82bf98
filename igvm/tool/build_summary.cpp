// SPDX-License-Identifier: BSD-2-Clause-Patent
// See build_summary.h.
#include "igvm/tool/build_summary.h"

#include "igvm/show/describe.h"

#include <fmt/format.h>

namespace vestibule::igvm {

void print_summary(const std::string& out, const BuiltFile& file) {
    fmt::print("{}: {} bytes\n", out, file.bytes.size());
    for (const PageCount& count : file.pages) {
        std::string rest;
        for (const auto& [pages, name] : {
                 std::pair(count.initrd, "initrd"),
                 {count.snp,     "CPUID and secrets"},
                 {count.service, "service"          },
                 {count.vmsa,    "VMSA"             }
        }) {
            rest += pages != 0 ? fmt::format(" + {} {}", pages, name) : "";
        }
        fmt::print("  {}: {} {} pages = {} page tables + {} stub + {} payload{}\n",
                   name_of(count.platform), count.all(), count.vmsa != 0 ? "measured" : "loaded",
                   count.page_tables, count.stub, count.payload, rest);
    }
}

void print_flash_summary(const std::string& out, const BuiltFile& file) {
    fmt::print("{}: {} bytes\n", out, file.bytes.size());
    for (const PageCount& count : file.pages) {
        fmt::print("  {}: {} {} pages = {} volume", name_of(count.platform), count.all(),
                   count.vmsa != 0 ? "measured" : "loaded", count.volume);
        if (count.metadata != 0) {
            fmt::print(" + {} of SEV metadata", count.metadata);
        }
        fmt::print("{}\n", count.vmsa != 0 ? fmt::format(" + {} VMSA", count.vmsa) : "");
    }
}

} // namespace vestibule::igvm
