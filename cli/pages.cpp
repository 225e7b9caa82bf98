// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "cli/pages.h"

#include "cli/option_values.h"
#include "version.h"

#include <fmt/format.h>

namespace vestibule::cli {

namespace {

/// Text that groff prints as it stands: no escapes, no hyphens that break, no requests.
std::string roff(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool begins = out.empty() || out.back() == '\n';
        if (begins && (c == '.' || c == '\'')) {
            out += "\\&";
        }
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
    }
    return out;
}

/// "FILE", of "FILE:{...}"
std::string type_of(const CLI::Option& option) {
    return option.get_type_name().substr(0, option.get_type_name().find(':'));
}

std::string option_text(const CLI::Option& option) {
    std::string names;
    for (const std::string& name : names_of(option)) {
        names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
    }
    if (names.empty()) {
        names = fmt::format("\\fI{}\\fR", roff(option.get_name(true)));
    } else if (option.get_items_expected_max() != 0) {
        names += fmt::format(" \\fI{}\\fR", roff(type_of(option)));
    }
    std::string text           = option.get_description();
    const OptionValues values  = values_of(option);
    const auto append_sentence = [&text](const std::string& sentence) {
        text += (text.empty() || text.ends_with('.') ? " " : ". ") + sentence;
    };
    if (values.kind == OptionValues::Kind::words) {
        append_sentence("One of " + CLI::detail::join(values.words, ", ") + ".");
    }
    if (!option.get_default_str().empty()) {
        append_sentence("Default: " + option.get_default_str() + ".");
    }
    if (!option.get_envname().empty()) {
        append_sentence("In the environment: " + option.get_envname() + ".");
    }
    return fmt::format(".TP\n{}\n{}\n", names, roff(text));
}

std::string options_text(const CLI::App& app, bool positional) {
    std::string text;
    for (const CLI::Option* option : app.get_options()) {
        if (names_of(*option).empty() == positional && !option->get_group().empty()) {
            text += option_text(*option);
        }
    }
    return text;
}

/// The first sentence, as whatis(1) shows it.
std::string summary_of(const CLI::App& app) {
    const std::string& text = app.get_description();
    std::string first       = text.substr(0, std::min(text.find(". "), text.find('\n')));
    if (first.ends_with('.')) {
        first.pop_back();
    }
    return first;
}

/// "igvmtool build [OPTIONS]", of --help.
std::string usage_of(const CLI::App& app) {
    constexpr std::string_view before = "\nUsage: ";
    const std::string help =
        app.help(app.get_parent() == nullptr ? "" : full_name(*app.get_parent()));
    const auto from = help.find(before);
    return from == std::string::npos
               ? full_name(app)
               : help.substr(from + before.size(),
                             help.find('\n', from + before.size()) - from - before.size());
}

/// As one word of a shell script.
std::string shell_word(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return out + "'";
}

std::string words_of(const CLI::App& app) {
    std::string words;
    for (const CLI::App* verb : verbs_of(app)) {
        words += verb->get_name() + " ";
    }
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : names_of(*option)) {
            words += name + " ";
        }
    }
    return words;
}

/// The arms of bash's case for the options of a program or a verb that take a value.
std::string bash_values(const CLI::App& app, const std::string& verb) {
    std::string text;
    for (const CLI::Option* option : app.get_options()) {
        const OptionValues values = values_of(*option);
        if (values.kind == OptionValues::Kind::none || names_of(*option).empty()) {
            continue;
        }
        std::string patterns;
        for (const std::string& name : names_of(*option)) {
            patterns += fmt::format("{}{}", patterns.empty() ? "" : " | ",
                                    shell_word(fmt::format("{} {}", verb, name)));
        }
        const std::string answer =
            values.kind == OptionValues::Kind::words
                ? fmt::format("COMPREPLY=($(compgen -W {} -- \"$current\"))",
                              shell_word(CLI::detail::join(values.words, " ")))
            : values.kind == OptionValues::Kind::files ? "compopt -o default; COMPREPLY=()"
                                                       : "COMPREPLY=()";
        text += fmt::format("    {})\n        {}\n        return\n        ;;\n", patterns, answer);
    }
    return text;
}

/// A description within an argument of _arguments.
std::string zsh_text(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, text.find('\n'))) {
        if (c == '[' || c == ']' || c == ':' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out;
}

std::string zsh_value(const CLI::Option& option) {
    const OptionValues values = values_of(option);
    switch (values.kind) {
    case OptionValues::Kind::none: return "";
    case OptionValues::Kind::words:
        return fmt::format(":{}:({})", zsh_text(type_of(option)),
                           CLI::detail::join(values.words, " "));
    case OptionValues::Kind::files: return fmt::format(":{}:_files", zsh_text(type_of(option)));
    case OptionValues::Kind::unknown: break;
    }
    return fmt::format(":{}: ", zsh_text(type_of(option)));
}

/// The arguments of _arguments for a program's or a verb's options and positional arguments.
std::string zsh_arguments(const CLI::App& app) {
    std::string text;
    for (const CLI::Option* option : app.get_options()) {
        const std::string description = zsh_text(option->get_description());
        for (const std::string& name : names_of(*option)) {
            // "*": it may be given again; _arguments would stop to offer it.
            text += fmt::format(
                " \\\n        {}",
                shell_word(fmt::format("*{}[{}]{}", name, description, zsh_value(*option))));
        }
        if (names_of(*option).empty()) {
            text += fmt::format(
                " \\\n        {}",
                shell_word(fmt::format("*:{}:_files", zsh_text(option->get_name(true)))));
        }
    }
    return text;
}

} // namespace

std::string man_page(const CLI::App& app) {
    const std::string name  = full_name(app, "-");
    const std::string usage = usage_of(app);
    std::string text =
        fmt::format(".TH {} 1 \"\" \"Vestibule {}\" \"Vestibule\"\n.SH NAME\n{} \\- {}\n"
                    ".SH SYNOPSIS\n.nf\n\\fB{}\\fR\n.fi\n.SH DESCRIPTION\n{}\n",
                    roff(CLI::detail::to_lower(name)), version, roff(name), roff(summary_of(app)),
                    roff(usage), roff(app.get_description()));
    const std::string positional = options_text(app, true);
    if (!positional.empty()) {
        text += ".SH ARGUMENTS\n" + positional;
    }
    text += ".SH OPTIONS\n" + options_text(app, false);
    const auto verbs = verbs_of(app);
    if (!verbs.empty()) {
        text += ".SH VERBS\n";
        for (const CLI::App* verb : verbs) {
            text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(verb->get_name()),
                                roff(verb->get_description()));
        }
    }
    if (!app.get_footer().empty()) {
        text += fmt::format(".SH NOTES\n.nf\n{}\n.fi\n", roff(app.get_footer()));
    }
    std::string others;
    const CLI::App& program = app.get_parent() == nullptr ? app : *app.get_parent();
    for (const CLI::App* other : verbs_of(program)) {
        if (other != &app) {
            others += fmt::format("{}\\fB{}\\fR(1)", others.empty() ? "" : ",\n",
                                  roff(full_name(*other, "-")));
        }
    }
    if (&program != &app) {
        others = fmt::format("\\fB{}\\fR(1){}{}", roff(program.get_name()),
                             others.empty() ? "" : ",\n", others);
    }
    return others.empty() ? text : text + ".SH SEE ALSO\n" + others + "\n";
}

std::string bash_completion(const CLI::App& app) {
    const std::string& name = app.get_name();
    std::string verbs;
    std::string values = bash_values(app, "");
    std::string words  = fmt::format("    '') words={} ;;\n", shell_word(words_of(app)));
    for (const CLI::App* verb : verbs_of(app)) {
        verbs += (verbs.empty() ? "" : " | ") + verb->get_name();
        values += bash_values(*verb, verb->get_name());
        words +=
            fmt::format("    {}) words={} ;;\n", verb->get_name(), shell_word(words_of(*verb)));
    }
    return fmt::format(R"(# bash completion of {0}, which prints it: {0} --completion bash
_{0}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    local verb='' words='' word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in
        {1})
            verb=$word
            break
            ;;
        esac
    done
    case "$verb $previous" in
{2}    esac
    case $verb in
{3}    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [ "${{#COMPREPLY[@]}}" -gt 0 ] || compopt -o default
}}
complete -F _{0} {0}
)",
                       name, verbs, values, words);
}

std::string zsh_completion(const CLI::App& app) {
    const std::string& name = app.get_name();
    std::string described;
    std::string arms;
    for (const CLI::App* verb : verbs_of(app)) {
        described += fmt::format(
            "\n        {}",
            shell_word(fmt::format("{}:{}", verb->get_name(), zsh_text(verb->get_description()))));
        arms += fmt::format("    {})\n        _arguments{}\n        ;;\n", verb->get_name(),
                            zsh_arguments(*verb));
    }
    return fmt::format(R"(#compdef {0}
# zsh completion of {0}, which prints it: {0} --completion zsh
_{0}() {{
    local -a verbs
    verbs=({1})
    local verb=''
    (( CURRENT > 2 )) && verb=${{words[2]}}
    case $verb in
{2}    *)
        (( CURRENT == 2 )) && _describe verb verbs
        _arguments{3}
        ;;
    esac
}}
if [ "$funcstack[1]" = "_{0}" ]; then
    _{0} "$@"
else
    compdef _{0} {0}
fi
)",
                       name, described, arms, zsh_arguments(app));
}

void add_pages(CLI::App& app) {
    // As --version: printed at once, whatever else a command line ought to have.
    const auto add_man = [](CLI::App& of) {
        of.add_flag_callback(
            "--man", [&of] { throw CLI::CallForVersion(man_page(of), 0); },
            "Print the man page: --man | man -l -");
    };
    for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
        add_man(*verb);
    }
    add_man(app);
    app.add_option_function<std::string>(
           "--completion",
           [&app](const std::string& shell) {
               throw CLI::CallForVersion(
                   shell == "zsh" ? zsh_completion(app) : bash_completion(app), 0);
           },
           "Print what completes command lines in a shell: source <(... --completion bash)")
        ->check(CLI::IsMember({"bash", "zsh"}))
        ->type_name("SHELL");
}

} // namespace vestibule::cli
