// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/gdb_proxy.h"

#include "sevsim/gdb_packets.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

constexpr std::string_view not_there    = "E14"; // EFAULT, as QEMU says it
constexpr std::string_view not_a_number = "E22"; // EINVAL
constexpr std::string_view all_done     = "OK";
constexpr std::string_view unsupported;

constexpr std::string_view set_mode = "Qqemu.PhyMemMode:";
constexpr std::string_view ask_mode = "qqemu.PhyMemMode";

/// More than gdb asks for at once, and less than QEMU refuses.
constexpr u64 most_at_once = 1024;
constexpr u64 most_asked   = u64{64} << 10;

bool is_error(std::string_view reply) { return reply.size() == 3 && reply.front() == 'E'; }

/// "ADDRESS,LENGTH" and what stands behind it.
struct Extent {
    u64 address;
    u64 size;
    std::string_view rest;
};

std::optional<Extent> extent(std::string_view text) {
    const auto address = gdb_number(text);
    if (!address || !text.starts_with(',')) {
        return std::nullopt;
    }
    text.remove_prefix(1);
    const auto size = gdb_number(text);
    if (!size || *size > most_asked) {
        return std::nullopt;
    }
    return Extent{*address, *size, text};
}

/// What stands between quotes behind `name=`, from `from` to before `end`.
std::string attribute(const std::string& text, std::size_t from, std::size_t end,
                      std::string_view name) {
    const std::string key   = fmt::format(" {}=\"", name);
    const std::size_t begin = text.find(key, from);
    if (begin == std::string::npos || begin >= end) {
        return {};
    }
    const std::size_t value = begin + key.size();
    return text.substr(value, text.find('"', value) - value);
}

/// XML without its comments: QEMU has registers in them.
std::string without_comments(std::string text) {
    constexpr std::string_view begins = "<!--";
    constexpr std::string_view ends   = "-->";
    for (std::size_t at = 0; (at = text.find(begins, at)) != std::string::npos;) {
        const std::size_t end = text.find(ends, at);
        text.erase(at, end == std::string::npos ? end : end + ends.size() - at);
    }
    return text;
}

} // namespace

std::optional<std::string> GdbProxy::answer(std::string_view request) {
    if (request.empty()) {
        return std::nullopt;
    }
    switch (request.front()) {
    case 'm': return read_memory(request.substr(1));
    case 'M': return write_memory(request.substr(1));
    case 'X': // the same in binary, which would pass us by
    case 'x': return std::string{unsupported};
    case 'q':
        if (request == ask_mode) {
            return by_qemu();
        }
        return std::nullopt;
    case 'T': return std::nullopt;
    default: break;
    }
    if (request.starts_with(set_mode)) {
        wants_physical_ = request.ends_with('1');
        is_physical_    = wants_physical_;
    }
    forget(); // it goes on, or looks at another vCPU, or changes a register
    return std::nullopt;
}

std::optional<std::string> GdbProxy::by_qemu() {
    set_physical(wants_physical_);
    return std::nullopt;
}

std::optional<std::string> GdbProxy::read_memory(std::string_view arguments) {
    const auto asked = extent(arguments);
    if (!asked) {
        return std::string{not_a_number};
    }
    if (wants_physical_ || !read_view()) {
        return by_qemu();
    }
    const std::optional<PagingState>& state = paging();
    if (!state || is_in_monitor(view_, *state)) {
        return by_qemu();
    }
    std::vector<u8> bytes(asked->size);
    const u64 size = read_linear(view_, *state, asked->address, bytes, machine());
    if (size == 0 && asked->size != 0) {
        return std::string{not_there};
    }
    return gdb_hex(std::span{bytes}.first(size));
}

std::optional<std::string> GdbProxy::write_memory(std::string_view arguments) {
    const auto asked = extent(arguments);
    if (!asked || !asked->rest.starts_with(':')) {
        return std::string{not_a_number};
    }
    const auto bytes = gdb_bytes(asked->rest.substr(1));
    if (!bytes || bytes->size() != asked->size) {
        return std::string{not_a_number};
    }
    if (wants_physical_ || !read_view()) {
        return by_qemu();
    }
    const std::optional<PagingState>& state = paging();
    if (!state || is_in_monitor(view_, *state)) {
        return by_qemu();
    }
    const bool written = write_linear(view_, *state, asked->address, *bytes, machine());
    forget(); // it may have been a page table
    return std::string{written ? all_done : not_there};
}

/// False before the guest's first instruction, and where QEMU translates as the guest does.
bool GdbProxy::read_view() {
    if (view_.ready != DebuggerView::ready_magic) {
        u8 bytes[sizeof view_];
        if (read_machine(view_at_, bytes)) {
            std::memcpy(&view_, bytes, sizeof view_);
        }
    }
    return view_.ready == DebuggerView::ready_magic && view_.is_encrypted != 0;
}

MachineMemory GdbProxy::machine() {
    return {.read  = [this](u64 address, std::span<u8> to) { return read_machine(address, to); },
            .write = [this](u64 address,
                            std::span<const u8> from) { return write_machine(address, from); }};
}

/// Entries of page tables are read over and over while the machine stands still.
bool GdbProxy::read_machine(u64 address, std::span<u8> to) {
    const bool is_entry = to.size() == sizeof(u64) && address % sizeof(u64) == 0;
    if (const auto known = entries_.find(address); is_entry && known != entries_.end()) {
        std::memcpy(to.data(), &known->second, sizeof(u64));
        return true;
    }
    set_physical(true);
    for (u64 done = 0; done < to.size();) {
        const u64 size   = std::min(most_at_once, to.size() - done);
        const auto reply = ask_(fmt::format("m{:x},{:x}", address + done, size));
        const auto bytes = reply && !is_error(*reply) ? gdb_bytes(*reply) : std::nullopt;
        if (!bytes || bytes->size() != size) {
            return false;
        }
        std::ranges::copy(*bytes, to.begin() + static_cast<std::ptrdiff_t>(done));
        done += size;
    }
    if (is_entry) {
        std::memcpy(&entries_[address], to.data(), sizeof(u64));
    }
    return true;
}

bool GdbProxy::write_machine(u64 address, std::span<const u8> from) {
    set_physical(true);
    for (u64 done = 0; done < from.size();) {
        const u64 size   = std::min(most_at_once, from.size() - done);
        const auto reply = ask_(
            fmt::format("M{:x},{:x}:{}", address + done, size, gdb_hex(from.subspan(done, size))));
        if (!reply || *reply != all_done) {
            return false;
        }
        done += size;
    }
    return true;
}

void GdbProxy::set_physical(bool physical) {
    if (physical != is_physical_) {
        ask_(fmt::format("{}{}", set_mode, physical ? 1 : 0));
        is_physical_ = physical;
    }
}

void GdbProxy::forget() {
    paging_.reset();
    entries_.clear();
}

/// What QEMU says of its registers, which it numbers in the order in which it names them.
std::string GdbProxy::description(const std::string& file) {
    std::string text;
    constexpr u64 at_once = 0x400;
    for (;;) {
        const auto reply =
            ask_(fmt::format("qXfer:features:read:{}:{:x},{:x}", file, text.size(), at_once));
        if (!reply || reply->empty() || (reply->front() != 'm' && reply->front() != 'l')) {
            return {};
        }
        text += gdb_unescape(std::string_view{*reply}.substr(1));
        if (reply->front() == 'l' || reply->size() == 1) {
            return text;
        }
    }
}

void GdbProxy::number_registers(const std::string& file) {
    constexpr std::string_view reg     = "<reg ";
    constexpr std::string_view include = "<xi:include ";
    const std::string text             = without_comments(description(file));
    for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
        const std::size_t end = text.find('>', at);
        if (text.compare(at, reg.size(), reg) == 0) {
            const std::string number = attribute(text, at, end, "regnum");
            if (!number.empty()) {
                next_register_ = std::strtoull(number.c_str(), nullptr, 10);
            }
            registers_[attribute(text, at, end, "name")] = next_register_++;
        } else if (text.compare(at, include.size(), include) == 0 && file == "target.xml") {
            number_registers(attribute(text, at, end, "href"));
        }
    }
}

void GdbProxy::number_all_registers() {
    if (registers_.empty()) {
        number_registers("target.xml");
    }
}

GdbProxy::Place GdbProxy::place() {
    if (!read_view()) {
        return Place::unknown;
    }
    const std::optional<PagingState>& state = paging();
    if (!state) {
        return Place::unknown;
    }
    return is_in_monitor(view_, *state) ? Place::monitor : Place::guest;
}

std::optional<u64> GdbProxy::read_register(const std::string& name) {
    const auto number = registers_.find(name);
    if (number == registers_.end()) {
        return std::nullopt;
    }
    const auto reply = ask_(fmt::format("p{:x}", number->second));
    const auto bytes = reply && !is_error(*reply) ? gdb_bytes(*reply) : std::nullopt;
    if (!bytes || bytes->empty() || bytes->size() > sizeof(u64)) {
        return std::nullopt;
    }
    u64 value = 0;
    std::memcpy(&value, bytes->data(), bytes->size());
    return value;
}

/// Of the vCPU that QEMU's stub looks at: the one that has stopped, or that gdb has named since.
const std::optional<PagingState>& GdbProxy::paging() {
    if (paging_) {
        return paging_;
    }
    number_all_registers();
    const auto cr0  = read_register("cr0");
    const auto cr3  = read_register("cr3");
    const auto cr4  = read_register("cr4");
    const auto efer = read_register("efer");
    if (cr0 && cr3 && cr4 && efer) {
        paging_ = PagingState{.cr0 = *cr0, .cr3 = *cr3, .cr4 = *cr4, .efer = *efer};
    }
    return paging_;
}

} // namespace vestibule::sevsim
