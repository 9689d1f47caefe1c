"""Recipes in words: what a table of settings says."""

from itertools import combinations

from busi_utils import recipe_words, recipes


def test_two_recipes_are_told_apart_in_words_wherever_they_differ():
    for one, other in combinations(recipes.RECIPES, 2):
        values = recipes.recipe_of(one).as_dict(), recipes.recipe_of(other).as_dict()
        words = recipe_words.in_words(one), recipe_words.in_words(other)
        for field in values[0]:
            assert (values[0][field] == values[1][field]) == (words[0][field] == words[1][field])
            assert "_" not in words[0][field][0]


def test_a_derived_row_is_named_after_the_one_it_comes_from():
    assert recipe_words.label_of("tuned-balanced") == "tuned, corrected for class shares"
    assert recipe_words.label_of("tuned-ensemble") == "tuned, corrected, mean of its seeds"
    assert (
        recipe_words.label_of("tuned-mean-balanced")
        == "tuned, equal mean, corrected for class shares"
    )
    assert recipes.settings_of("tuned-mean-balanced") == recipes.settings_of("tuned")
    assert recipe_words.label_of("tuned-30_epochs-balanced") == (
        "tuned, 30 epochs, corrected for class shares"
    )
