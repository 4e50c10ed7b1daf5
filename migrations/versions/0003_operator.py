"""the operator's runs, choices of models, and what was uploaded for training

Revision: 0003
Follows: 0002
"""

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('due_forgetting',
    sa.Column('alias', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('alias', name=op.f('pk_due_forgetting'))
    )
    op.create_table('model_activation',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('guild_id', sa.BigInteger(), nullable=True),
    sa.Column('adapter', sa.String(length=200), nullable=True),
    sa.Column('path', sa.String(length=1000), nullable=True),
    sa.Column('previous_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('forced', sa.Boolean(), nullable=False),
    sa.Column('rollback', sa.Boolean(), nullable=False),
    sa.Column('figures', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('actor_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['previous_id'], ['model_activation.id'], name=op.f('fk_model_activation_previous_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_model_activation'))
    )
    with op.batch_alter_table('model_activation', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_model_activation_actor_id'), ['actor_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_model_activation_guild_id'), ['guild_id'], unique=False)

    op.create_table('model_comparison',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('guild_id', sa.BigInteger(), nullable=False),
    sa.Column('operator_id', sa.BigInteger(), nullable=False),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('prompt', sa.Text(), nullable=False),
    sa.Column('model_a', sa.String(length=200), nullable=False),
    sa.Column('model_b', sa.String(length=200), nullable=False),
    sa.Column('answer_a', sa.Text(), nullable=False),
    sa.Column('answer_b', sa.Text(), nullable=False),
    sa.Column('choice', sa.String(length=8), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('chosen_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_model_comparison'))
    )
    with op.batch_alter_table('model_comparison', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_model_comparison_operator_id'), ['operator_id'], unique=False)

    op.create_table('training_run',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.String(length=32), nullable=False),
    sa.Column('job_id', sa.String(length=100), nullable=True),
    sa.Column('guild_id', sa.BigInteger(), nullable=False),
    sa.Column('channel_id', sa.BigInteger(), nullable=False),
    sa.Column('message_id', sa.BigInteger(), nullable=True),
    sa.Column('operator_id', sa.BigInteger(), nullable=False),
    sa.Column('locale', sa.String(length=16), nullable=True),
    sa.Column('recipe', sa.String(length=100), nullable=False),
    sa.Column('dataset', sa.String(length=100), nullable=False),
    sa.Column('rated_file', sa.String(length=100), nullable=True),
    sa.Column('start_adapter', sa.String(length=200), nullable=True),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('status', sa.Enum('proposed', 'confirmed', 'running', 'succeeded', 'failed', 'cancelled', name='runstatus', native_enum=False, length=16), nullable=False),
    sa.Column('expected', sa.JSON(), nullable=False),
    sa.Column('progress', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('adapter', sa.String(length=200), nullable=True),
    sa.Column('error', sa.String(length=400), nullable=True),
    sa.Column('reported', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_training_run')),
    sa.UniqueConstraint('job_id', name=op.f('uq_training_run_job_id')),
    sa.UniqueConstraint('key', name=op.f('uq_training_run_key'))
    )
    with op.batch_alter_table('training_run', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_training_run_operator_id'), ['operator_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_training_run_status'), ['status'], unique=False)

    op.create_table('training_upload',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('file_id', sa.String(length=100), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('lineage', sa.String(length=200), nullable=True),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.Column('actor_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_training_upload')),
    sa.UniqueConstraint('file_id', name=op.f('uq_training_upload_file_id'))
    )
    with op.batch_alter_table('training_upload', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_training_upload_actor_id'), ['actor_id'], unique=False)

    op.create_table('training_contribution',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('upload_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('member_id', sa.BigInteger(), nullable=False),
    sa.Column('alias', sa.String(length=64), nullable=False),
    sa.Column('row_ids', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['upload_id'], ['training_upload.id'], name=op.f('fk_training_contribution_upload_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_training_contribution')),
    sa.UniqueConstraint('upload_id', 'member_id', name=op.f('uq_training_contribution_upload_id_member_id'))
    )
    with op.batch_alter_table('training_contribution', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_training_contribution_alias'), ['alias'], unique=False)
        batch_op.create_index(batch_op.f('ix_training_contribution_member_id'), ['member_id'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('training_contribution', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_training_contribution_member_id'))
        batch_op.drop_index(batch_op.f('ix_training_contribution_alias'))

    op.drop_table('training_contribution')
    with op.batch_alter_table('training_upload', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_training_upload_actor_id'))

    op.drop_table('training_upload')
    with op.batch_alter_table('training_run', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_training_run_status'))
        batch_op.drop_index(batch_op.f('ix_training_run_operator_id'))

    op.drop_table('training_run')
    with op.batch_alter_table('model_comparison', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_model_comparison_operator_id'))

    op.drop_table('model_comparison')
    with op.batch_alter_table('model_activation', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_model_activation_guild_id'))
        batch_op.drop_index(batch_op.f('ix_model_activation_actor_id'))

    op.drop_table('model_activation')
    op.drop_table('due_forgetting')
