// SPDX-License-Identifier: BSD-2-Clause-Patent
// Compares what the oracle's guest has dumped natively and under SEV-ES, names each row and field
// that differs, and counts:
//   snippet_compare NATIVE SEV-ES RECORDED-NATIVE RECORDED-SEV-ES MINIMUM
// The recorded files hold what the snippets wrote to the recording port, in order. At least MINIMUM
// snippets must have been compared.
#include "qemu-tests/guests/oracle/record.h"
#include "x86/exit_code.h"

#include <charconv>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace vestibule;
using oracle::Change;
using oracle::Record;
using oracle::State;

namespace {

struct Snippet {
    Record record;
    std::map<u64, u64> memory; // what has changed
};

struct Field {
    const char* name;
    std::size_t offset;
};

constexpr Field fields[] = {
    {"RAX", 0 * sizeof(u64)},
    {"RCX", 1 * sizeof(u64)},
    {"RDX", 2 * sizeof(u64)},
    {"RBX", 3 * sizeof(u64)},
    {"RSP", 4 * sizeof(u64)},
    {"RBP", 5 * sizeof(u64)},
    {"RSI", 6 * sizeof(u64)},
    {"RDI", 7 * sizeof(u64)},
    {"R8", 8 * sizeof(u64)},
    {"R9", 9 * sizeof(u64)},
    {"R10", 10 * sizeof(u64)},
    {"R11", 11 * sizeof(u64)},
    {"R12", 12 * sizeof(u64)},
    {"R13", 13 * sizeof(u64)},
    {"R14", 14 * sizeof(u64)},
    {"R15", 15 * sizeof(u64)},
    {"RIP", offsetof(State, rip)},
    {"CS", offsetof(State, cs)},
    {"RFLAGS", offsetof(State, rflags)},
    {"SS", offsetof(State, ss)},
    {"vector", offsetof(State, vector)},
    {"error code", offsetof(State, error_code)},
    {"CR2", offsetof(State, cr2)},
    {"DR6", offsetof(State, dr6)},
    {"ports 0xE0 to 0xE3", offsetof(State, ports)},
    {"pending interrupts", offsetof(State, interrupts)},
    {"the handler's RFLAGS", offsetof(State, handler_rflags)},
    {"the handler's SS", offsetof(State, handler_ss)},
};
static_assert(std::size(fields) * sizeof(u64) == sizeof(State));

u64 value_of(const State& state, std::size_t offset) {
    u64 value = 0;
    std::memcpy(&value, reinterpret_cast<const char*>(&state) + offset, sizeof value);
    return value;
}

std::string name_of(const Snippet& snippet) {
    const auto& name = snippet.record.name;
    return {name, strnlen(name, sizeof name)};
}

std::string describe(const Snippet& snippet) {
    const u64 line = snippet.record.line;
    return fmt::format("'{}'{}", name_of(snippet),
                       line == 0 ? "" : fmt::format(" (conformance {})", line));
}

std::optional<std::string> read_file(const char* path) {
    std::ifstream file{path, std::ios::binary};
    if (!file) {
        return std::nullopt;
    }
    return std::string{std::istreambuf_iterator<char>{file}, {}};
}

/// Says what is wrong and returns nothing if this is no whole dump.
std::optional<std::vector<Snippet>> read_dump(const char* path) {
    const std::optional<std::string> bytes = read_file(path);
    if (!bytes) {
        fmt::print(stderr, "{}: cannot be read\n", path);
        return std::nullopt;
    }
    std::vector<Snippet> snippets;
    std::string_view rest{*bytes};
    const auto take = [&rest](void* to, std::size_t size) {
        if (rest.size() < size) {
            return false;
        }
        std::memcpy(to, rest.data(), size);
        rest.remove_prefix(size);
        return true;
    };
    for (;;) {
        const std::size_t offset = bytes->size() - rest.size();
        Snippet snippet{};
        if (rest.size() == sizeof(u64) && take(&snippet.record.magic, sizeof(u64))
            && snippet.record.magic == Record::magic_end) {
            return snippets;
        }
        bool whole = take(&snippet.record, sizeof snippet.record)
                     && snippet.record.magic == Record::magic_row;
        for (u64 n = 0; whole && n < snippet.record.changes; ++n) {
            Change change{};
            whole = take(&change, sizeof change);
            snippet.memory.emplace(change.address, change.value);
        }
        if (!whole) {
            fmt::print(stderr, "{}: offset {:#x}: expected a record of a snippet, or the end\n",
                       path, offset);
            return std::nullopt;
        }
        snippets.push_back(std::move(snippet));
    }
}

/// What happened at the end, in words.
std::string ending(const State& state) {
    if (state.vector == oracle::terminated) {
        return fmt::format("; the handler ended the guest with set {}, code {:#x}",
                           state.error_code >> 8, state.error_code & 0xFF);
    }
    return {};
}

/// The differences of one snippet, a line each.
std::vector<std::string> differences(const Snippet& native, const Snippet& handled) {
    std::vector<std::string> found;
    const auto differ = [&](std::string_view what, auto natively, auto by_handler) {
        found.push_back(fmt::format("{}: {} {} natively, {} through #VC{}", describe(native), what,
                                    natively, by_handler, ending(handled.record.state)));
    };
    for (const Field& field : fields) {
        const u64 natively   = value_of(native.record.state, field.offset);
        const u64 by_handler = value_of(handled.record.state, field.offset);
        if (natively != by_handler) {
            differ(field.name, fmt::format("{:#x}", natively), fmt::format("{:#x}", by_handler));
        }
    }
    std::set<u64> addresses;
    for (const auto& [address, value] : native.memory) {
        addresses.insert(address);
    }
    for (const auto& [address, value] : handled.memory) {
        addresses.insert(address);
    }
    const auto word = [](const std::map<u64, u64>& memory, u64 address) {
        const auto at = memory.find(address);
        return at == memory.end() ? std::string{"unchanged"} : fmt::format("{:016x}", at->second);
    };
    for (const u64 address : addresses) {
        const std::string natively   = word(native.memory, address);
        const std::string by_handler = word(handled.memory, address);
        if (natively != by_handler) {
            differ(fmt::format("memory at {:#x}", address), natively, by_handler);
        }
    }
    return found;
}

/// Whether the row showed what it is there to show.
std::optional<std::string> wrong_count(const Snippet& native, const Snippet& handled) {
    if (native.record.vcs != 0) {
        return "raised #VC natively";
    }
    if (handled.record.unintercepted == 0 && handled.record.vcs == 0) {
        return "raised no #VC under SEV-ES, so nothing was compared";
    }
    if (handled.record.unintercepted != 0 && handled.record.vcs != 0) {
        return fmt::format("raised {} #VC under SEV-ES, though it must fault before",
                           handled.record.vcs);
    }
    return std::nullopt;
}

unsigned compare_recorded(const char* native_path, const char* handled_path) {
    const std::optional<std::string> native  = read_file(native_path);
    const std::optional<std::string> handled = read_file(handled_path);
    if (!native || !handled || native->empty()) {
        fmt::print("{} and {}: no bytes were recorded\n", native_path, handled_path);
        return 1;
    }
    if (*native == *handled) {
        fmt::print("{} bytes written by OUTS are the same\n", native->size());
        return 0;
    }
    std::size_t at = 0;
    while (at < native->size() && at < handled->size() && (*native)[at] == (*handled)[at]) {
        ++at;
    }
    fmt::print("Bytes written by OUTS differ from {:#x} on ({} and {} bytes)\n", at, native->size(),
               handled->size());
    return 1;
}

/// Which #VCs the snippets raised, in which code.
class Coverage {
  public:
    void add(const Record& record) {
        if (record.vcs != 0) {
            ++raised[record.exit_code][record.code_size];
            if (record.cpl == 3) {
                ++raised[record.exit_code][at_cpl_3];
            }
        }
    }

    void print() const {
        fmt::print("{:18}{:>10}{:>10}{:>10}{:>10}\n", "Snippets whose #VC", "64-bit", "32-bit",
                   "16-bit", "CPL 3");
        for (const auto& [code, columns] : raised) {
            fmt::print("{:18}", fmt::format("{:#x} {}", code, x86::exit_name(code)));
            for (const u64 column : order) {
                const auto at = columns.find(column);
                fmt::print("{:>10}", at == columns.end() ? 0 : at->second);
            }
            fmt::print("\n");
        }
        for (const u64 column : order) {
            std::size_t kinds = 0;
            for (const auto& [code, columns] : raised) {
                kinds += columns.count(column);
            }
            fmt::print("counted: kinds of #VC compared with real execution, {}: {}\n",
                       column == at_cpl_3 ? "at CPL 3" : fmt::format("in {}-bit code", column),
                       kinds);
        }
    }

  private:
    static constexpr u64 at_cpl_3 = 3;
    static constexpr u64 order[]  = {64, 32, 16, at_cpl_3};

    std::map<u64, std::map<u64, unsigned>> raised; // by exit code, then by column
};

int compare(char** arguments, std::size_t minimum) {
    const auto native  = read_dump(arguments[1]);
    const auto handled = read_dump(arguments[2]);
    if (!native || !handled) {
        return 1;
    }
    if (native->size() != handled->size()) {
        fmt::print("{} snippets natively, {} through #VC\n", native->size(), handled->size());
        return 1;
    }
    constexpr unsigned most = 12; // lines about one row
    unsigned wrong          = 0;
    u64 vcs                 = 0;
    std::map<u64, unsigned> by_line;
    std::map<u64, unsigned> by_ending;
    Coverage coverage;
    for (std::size_t n = 0; n < native->size(); ++n) {
        const Snippet& one   = (*native)[n];
        const Snippet& other = (*handled)[n];
        if (name_of(one) != name_of(other)) {
            fmt::print("row {}: {} natively, {} through #VC\n", n, describe(one), describe(other));
            return 1;
        }
        std::vector<std::string> found = differences(one, other);
        if (const auto count = wrong_count(one, other)) {
            found.push_back(fmt::format("{}: {}", describe(one), *count));
        }
        for (std::size_t line = 0; line < found.size() && line < most; ++line) {
            fmt::print("{}\n", found[line]);
        }
        if (found.size() > most) {
            fmt::print("{}: {} more\n", describe(one), found.size() - most);
        }
        wrong += found.empty() ? 0 : 1;
        vcs += other.record.vcs;
        coverage.add(other.record);
        ++by_line[one.record.line];
        ++by_ending[one.record.state.vector];
    }
    wrong += compare_recorded(arguments[3], arguments[4]);
    std::string endings;
    for (const auto& [vector, count] : by_ending) {
        endings += fmt::format("{}{}: {}", endings.empty() ? "" : ", ", vector, count);
    }
    std::string lines;
    for (const auto& [line, count] : by_line) {
        if (line != 0) {
            lines += fmt::format("{}{}: {}", lines.empty() ? "" : ", ", line, count);
        }
    }
    fmt::print("Snippets by line of conformance.md: {}\n", lines);
    fmt::print("Snippets by the vector that they end in: {}\n", endings);
    coverage.print();
    fmt::print("{} #VC in all\n", vcs);
    fmt::print("counted: snippets compared with real execution: {}\n", native->size());
    fmt::print("counted: snippets that disagree: {}\n", wrong);
    if (native->size() < minimum) {
        fmt::print("fewer than {} snippets\n", minimum);
        return 1;
    }
    return wrong == 0 ? 0 : 1;
}

} // namespace

int main(int count, char** arguments) {
    std::size_t minimum = 0;
    if (count != 6
        || std::from_chars(arguments[5], arguments[5] + std::strlen(arguments[5]), minimum).ec
               != std::errc{}) {
        fmt::print(stderr, "usage: snippet_compare NATIVE SEV-ES RECORDED-NATIVE RECORDED-SEV-ES "
                           "MINIMUM\n");
        return 2;
    }
    return compare(arguments, minimum);
}
