# SPDX-License-Identifier: MIT
# One program for all x86-64 processors.
#
#     earlyout_add_dispatched(TARGET SOURCE... ISAS ISA... [LIBRARIES LIBRARY...])
#
# compiles the sources once for each instruction set (sse2, avx2, avxvnni, avx512, avx512vnni, amx; narrowest first),
# with the target's options, definitions, include folders and libraries, and adds them to it. A header that they share
# with the target's other sources declares, by EARLYOUT_DISPATCHED of earlyout/core/dispatch.hpp, what they define.
# LIBRARIES are static libraries of the project, compiled anew for each instruction set as well; the target does not
# link them itself.
#
# What a compiler makes of the standard library and of others' templates has the same names for all instruction sets, of
# which a linker keeps any one: objects of each set are therefore linked into one, which shows nothing but those
# functions, and whose static initializers run when the variant is chosen. This needs GNU's ld and objcopy.
#
# Where the processor is no x86-64, or the system no Linux, the sources are compiled once, with the target's own flags.
include_guard(GLOBAL)

function(earlyout_flags_of_isa isa result)
  set(sse2 -march=x86-64)
  set(avx2 -march=x86-64-v3)
  set(avxvnni -march=x86-64-v3 -mavxvnni)
  set(avx512 -march=x86-64-v4)
  set(avx512vnni -march=x86-64-v4 -mavx512vnni)
  set(amx -march=x86-64-v4 -mavx512vnni -mavx512bf16 -mamx-tile -mamx-int8)
  set(known sse2 avx2 avxvnni avx512 avx512vnni amx)
  if(NOT isa IN_LIST known)
    list(JOIN known ", " known)
    message(FATAL_ERROR "earlyout_add_dispatched: ISAS: expected some of ${known}, found ${isa}")
  endif()
  set(${result} ${${isa}} PARENT_SCOPE)
endfunction()

# Flags may name no processor: the target's other sources run on all, and -march=native leaves features behind that a
# second -march does not take back.
function(earlyout_check_flags_for_all)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  set(flags "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}}")
  foreach(target IN LISTS ARGN)
    get_target_property(options ${target} COMPILE_OPTIONS)
    string(APPEND flags " ${options}")
  endforeach()
  if(flags MATCHES "-march=[^ ;]+|-m(sse[34]|ssse|avx|fma|f16c|bmi|amx)[^ ;]*")
    message(FATAL_ERROR "earlyout_add_dispatched: expected options for all processors in CMAKE_CXX_FLAGS, ${ARGN}; "
      "found ${CMAKE_MATCH_0}")
  endif()
endfunction()

# Sets `result` to what libraries link, by the names that targets were made under.
function(earlyout_plain_names result)
  set(resolved)
  foreach(name IN LISTS ARGN)
    string(REGEX REPLACE "^(\\$<(LINK_ONLY|BUILD_INTERFACE):)+([^:>]+(::[^:>]+)?)>+$" "\\3" name "${name}")
    if(TARGET ${name})
      get_target_property(aliased ${name} ALIASED_TARGET)
      if(aliased)
        set(name ${aliased})
      endif()
    endif()
    list(APPEND resolved ${name})
  endforeach()
  set(${result} ${resolved} PARENT_SCOPE)
endfunction()

# Makes a library of the project's static library for one instruction set. What is in `names` is replaced by its
# counterpart for that set, everywhere.
function(earlyout_clone_library library isa prefix names)
  set(clone ${prefix}_${library}_${isa})
  get_target_property(sources ${library} SOURCES)
  get_target_property(folder ${library} SOURCE_DIR)
  list(TRANSFORM sources PREPEND ${folder}/ REGEX "^[^/$]")
  foreach(source IN LISTS sources)
    foreach(property IN ITEMS SKIP_UNITY_BUILD_INCLUSION COMPILE_OPTIONS COMPILE_DEFINITIONS INCLUDE_DIRECTORIES)
      get_source_file_property(value ${source} TARGET_DIRECTORY ${library} ${property})
      if(value)
        set_property(SOURCE ${source} PROPERTY ${property} ${value})
      endif()
    endforeach()
  endforeach()
  add_library(${clone} STATIC EXCLUDE_FROM_ALL ${sources})
  get_target_property(generators ${library} MANUALLY_ADDED_DEPENDENCIES)  # of sources that a custom command makes
  if(generators)
    add_dependencies(${clone} ${generators})
  endif()
  get_target_property(unity ${library} UNITY_BUILD)
  set_target_properties(${clone} PROPERTIES UNITY_BUILD "${unity}" INTERPROCEDURAL_OPTIMIZATION OFF)
  foreach(property IN ITEMS COMPILE_OPTIONS COMPILE_DEFINITIONS INCLUDE_DIRECTORIES COMPILE_FEATURES
      INTERFACE_COMPILE_DEFINITIONS INTERFACE_INCLUDE_DIRECTORIES INTERFACE_COMPILE_FEATURES)
    get_target_property(value ${library} ${property})
    if(value)
      set_property(TARGET ${clone} PROPERTY ${property} ${value})
    endif()
  endforeach()
  foreach(property IN ITEMS LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
    get_target_property(value ${library} ${property})
    if(value)
      earlyout_plain_names(value ${value})
      foreach(name IN LISTS names)
        list(TRANSFORM value REPLACE "^${name}$" ${prefix}_${name}_${isa})
      endforeach()
      set_property(TARGET ${clone} PROPERTY ${property} ${value})
    endif()
  endforeach()
  earlyout_compile_for(${clone} ${isa})
endfunction()

function(earlyout_compile_for target isa)
  earlyout_flags_of_isa(${isa} flags)
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_compile_options(${target} PRIVATE ${flags} -fno-lto
    # A unique symbol cannot be made local; lld's table of addresses does not survive objcopy.
    $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique> $<$<CXX_COMPILER_ID:Clang>:-fno-addrsig>)
  target_compile_definitions(${target} PRIVATE EARLYOUT_NO_ISA_NOTE)
endfunction()

# What the libraries link beside each other.
function(earlyout_others_of names result)
  set(others)
  foreach(library IN LISTS names)
    foreach(property IN ITEMS LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
      get_target_property(value ${library} ${property})
      if(value)
        earlyout_plain_names(value ${value})
        list(APPEND others ${value})
      endif()
    endforeach()
  endforeach()
  list(REMOVE_ITEM others ${names})
  list(REMOVE_DUPLICATES others)
  set(${result} ${others} PARENT_SCOPE)
endfunction()

function(earlyout_add_dispatched target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ISAS;LIBRARIES")
  set(sources ${arg_UNPARSED_ARGUMENTS})
  if(NOT TARGET ${target} OR NOT sources OR NOT arg_ISAS)
    message(FATAL_ERROR "earlyout_add_dispatched: expected a target, sources, ISAS and instruction sets, found: ${ARGV}")
  endif()
  foreach(isa IN LISTS arg_ISAS)
    earlyout_flags_of_isa(${isa} ignored)
  endforeach()
  earlyout_plain_names(libraries ${arg_LIBRARIES})
  foreach(library IN LISTS libraries)
    get_target_property(type ${library} TYPE)
    get_target_property(imported ${library} IMPORTED)
    if(imported OR NOT type STREQUAL "STATIC_LIBRARY")
      message(FATAL_ERROR "earlyout_add_dispatched: LIBRARIES: expected static libraries that the project compiles, "
        "found ${library}")
    endif()
  endforeach()
  if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_sources(${target} PRIVATE ${sources})
    target_link_libraries(${target} PRIVATE ${libraries})
    return()
  endif()
  list(GET arg_ISAS 0 narrowest)
  if(NOT narrowest STREQUAL sse2)
    message(FATAL_ERROR "earlyout_add_dispatched: ISAS: expected sse2 first, which every processor has, found "
      "${narrowest}")
  endif()
  earlyout_check_flags_for_all(${target} ${libraries})
  # CMake names the compiler's own tools, of which LLVM's cannot do this.
  find_program(EARLYOUT_GNU_LD NAMES x86_64-linux-gnu-ld.bfd ld.bfd ld)
  find_program(EARLYOUT_GNU_OBJCOPY NAMES x86_64-linux-gnu-objcopy objcopy)
  mark_as_advanced(EARLYOUT_GNU_LD EARLYOUT_GNU_OBJCOPY)
  set(help)
  if(EARLYOUT_GNU_LD)
    execute_process(COMMAND ${EARLYOUT_GNU_LD} --help OUTPUT_VARIABLE help ERROR_QUIET)
  endif()
  if(NOT help MATCHES "--force-group-allocation" OR NOT EARLYOUT_GNU_OBJCOPY)
    message(FATAL_ERROR "earlyout_add_dispatched: expected GNU's ld and objcopy (package binutils), found "
      "EARLYOUT_GNU_LD ${EARLYOUT_GNU_LD} and EARLYOUT_GNU_OBJCOPY ${EARLYOUT_GNU_OBJCOPY}")
  endif()

  string(MAKE_C_IDENTIFIER ${target} prefix)
  if(NOT prefix MATCHES "^earlyout")
    string(PREPEND prefix earlyout_)
  endif()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${target}_variants)
  earlyout_others_of("${libraries}" others)
  target_link_libraries(${target} PRIVATE ${others})
  get_target_property(type ${target} TYPE)
  get_target_property(pic ${target} POSITION_INDEPENDENT_CODE)
  foreach(isa IN LISTS arg_ISAS)
    set(variant ${prefix}_${isa})
    set(objects ${target}_${isa}_objects)
    add_library(${objects} OBJECT EXCLUDE_FROM_ALL ${sources})
    target_link_libraries(${objects} PRIVATE $<TARGET_PROPERTY:${target},LINK_LIBRARIES>)
    target_compile_options(${objects} PRIVATE $<TARGET_PROPERTY:${target},COMPILE_OPTIONS>)
    target_compile_definitions(${objects} PRIVATE $<TARGET_PROPERTY:${target},COMPILE_DEFINITIONS>
      EARLYOUT_VARIANT=${variant})
    target_include_directories(${objects} PRIVATE $<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>)
    set_target_properties(${objects} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
    foreach(property IN ITEMS UNITY_BUILD UNITY_BUILD_BATCH_SIZE)
      get_target_property(value ${target} ${property})
      if(DEFINED value AND NOT value MATCHES "NOTFOUND$")
        set_property(TARGET ${objects} PROPERTY ${property} ${value})
      endif()
    endforeach()
    set(clones)
    set(archives)
    foreach(library IN LISTS libraries)
      earlyout_clone_library(${library} ${isa} ${target} "${libraries}")
      list(APPEND clones ${target}_${library}_${isa})
      list(APPEND archives $<TARGET_FILE:${target}_${library}_${isa}>)
    endforeach()
    target_link_libraries(${objects} PRIVATE ${clones})
    earlyout_compile_for(${objects} ${isa})  # after all other options: the last -march counts
    foreach(compiled IN LISTS objects clones)
      if(type MATCHES "^(SHARED|MODULE)_LIBRARY$")
        set_target_properties(${compiled} PROPERTIES POSITION_INDEPENDENT_CODE ON)
      elseif(NOT pic STREQUAL "pic-NOTFOUND")
        set_target_properties(${compiled} PROPERTIES POSITION_INDEPENDENT_CODE ${pic})
      endif()
    endforeach()

    set(EARLYOUT_VARIANT ${variant})
    configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/dispatch.ld.in ${folder}/${isa}.ld @ONLY)
    if(archives)
      set(archives --start-group ${archives} --end-group)
    endif()
    add_custom_command(OUTPUT ${folder}/${isa}.o
      COMMAND ${EARLYOUT_GNU_LD} -r --force-group-allocation -T ${folder}/${isa}.ld -o ${folder}/${isa}.linked.o
        $<TARGET_OBJECTS:${objects}> ${archives}
      COMMAND ${EARLYOUT_GNU_OBJCOPY} --wildcard --keep-global-symbol=*${variant}*
        --set-section-flags earlyout_initializers=alloc,data,contents ${folder}/${isa}.linked.o ${folder}/${isa}.o
      COMMAND ${CMAKE_COMMAND} -E rm ${folder}/${isa}.linked.o
      DEPENDS $<TARGET_OBJECTS:${objects}> ${clones} ${folder}/${isa}.ld
      COMMENT "Linking ${target}'s objects for ${isa}" COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties(${folder}/${isa}.o PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    target_sources(${target} PRIVATE ${folder}/${isa}.o)

    string(APPEND externs "extern const ::earlyout::variant::initializer ${variant}_first[], ${variant}_last[];\n")
    string(APPEND entries "    {.name = \"${isa}\",\n     .runs_here = [] { return "
      "::earlyout::platform::runs_instruction_set(\"${isa}\"); },\n     .first = ${variant}_first,\n"
      "     .last = ${variant}_last},\n")
    string(APPEND applied " apply(${variant}, __VA_ARGS__)")
  endforeach()

  file(CONFIGURE OUTPUT ${folder}/list.hpp CONTENT [[// Made by earlyout_add_dispatched; included by earlyout/core/dispatch.hpp.
#ifndef @prefix@_VARIANTS
#define @prefix@_VARIANTS
#include <earlyout/core/platform/processor.hpp>

extern "C" {
@externs@}
namespace @prefix@_variants {
inline ::earlyout::variant list[] = {
@entries@};
inline ::earlyout::dispatcher dispatcher{list};
}  // namespace @prefix@_variants

#define EARLYOUT_DETAIL_VARIANTS(apply, ...)@applied@
#define EARLYOUT_DETAIL_DISPATCHER ::@prefix@_variants::dispatcher
#endif
]] @ONLY)
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_compile_definitions(${target} PRIVATE EARLYOUT_NO_ISA_NOTE EARLYOUT_DISPATCH_LIST="${folder}/list.hpp")
endfunction()
