// SPDX-License-Identifier: BSD-2-Clause-Patent
// See payload.h. Linux kernels: a bzImage, whose protected-mode kernel goes to the address that it
// prefers, or elsewhere if it can be moved, since firmware has much in use there; and what a
// unified kernel image carries.
#include "efi/payload.h"

namespace vestibule::efi {

using kernel::Form;

Problem Payload::load_bzimage(const Config& config, Bytes file, u64 offset) {
    if (Problem wrong = choose(config, Form::bzimage, false); wrong.is_there()) {
        return wrong;
    }
    if (config.address != 0) {
        return problem(Trouble::config, config.payload,
                       " says itself where it lies: there is no address to be told");
    }
    elf::Fault fault = kernel::is_bzimage(file) ? kernel::read_bzimage(file, linux_)
                                                : elf::damaged("a bzImage", 0, file.load<u8>(0));
    if (fault.is_there()) {
        fault.offset += offset;
        return of_file(config.payload, fault);
    }
    const u64 wanted = linux_.preferred_address;
    const u64 size   = linux_.memory_size;
    if (!memory_[0].allocate_at(wanted, size, EfiLoaderCode)) {
        if (linux_.alignment == 0 && !moves_.add(wanted, size)) {
            return problem(Trouble::memory, config.payload, " wants memory from ", Hex{wanted},
                           " to ", Hex{wanted + size}, " and cannot be moved");
        }
        if (linux_.alignment != 0 && !memory_[0].allocate(size, linux_.alignment, EfiLoaderCode)) {
            return problem(Trouble::memory, "too little memory: ", config.payload, " needs ", size,
                           " bytes below 4 GiB");
        }
    }
    const u64 base = memory_[0].size() != 0 ? memory_[0].base() : wanted;
    __builtin_memcpy(moves_.now_at(base), file.data + linux_.offset, file.size - linux_.offset);
    place_ = {.base = base, .size = size, .entry = base + kernel::entry64_offset};
    return no_problem;
}

/// What the configuration says goes before what the image carries.
Problem Payload::load_uki(const Config& config, kernel::Sections where) {
    kernel::Uki uki;
    if (const elf::Fault fault = kernel::read_uki(bytes_, uki, where); fault.is_there()) {
        return of_file(config.payload, fault);
    }
    carried_initrd_ = uki.initrd;
    if (command_line_.empty()) {
        command_line_ = {reinterpret_cast<const char*>(uki.command_line.data),
                         uki.command_line.size};
    }
    return load_bzimage(config, uki.linux, static_cast<u64>(uki.linux.data - bytes_.data));
}

} // namespace vestibule::efi
